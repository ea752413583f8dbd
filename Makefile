# Every command of a developer, an operator and of CI. `make` alone lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
LINES ?= 100
URL ?= http://127.0.0.1:8080
USERS ?= 20
TIME ?= 60s
SHAPE ?= steady
HOME_FOLDER = $${SERVOIR_HOME:-$$HOME/.local/share/servoir}

.DEFAULT_GOAL := help
.PHONY: help up down status logs doctor install test test-quick test-gpu test-compose chaos bench rivals loadtest check format proto settings nginx lock clean

help:  ## this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

##@ The suite on this machine (servoir.yaml says what runs; SERVOIR_HOME is where its data lies)
up: install  ## start it, find things in a photograph, leave it running
	@$(BIN)/servoir up

down: install  ## stop it; no process is left, data stays
	@$(BIN)/servoir down

status: install  ## what runs, on which ports, with how much memory
	@$(BIN)/servoir status

logs: install  ## the last LINES=100 lines of all services together; only one request's with REQUEST=<request_id>
	@$(BIN)/servoir logs --lines $(LINES) $(if $(REQUEST),--request $(REQUEST))

doctor: install  ## what is wrong on this machine, and what to do about it
	@$(BIN)/servoir doctor

##@ Tests
test: install  ## everything but what needs a GPU, a Docker engine, or hours
	$(BIN)/pytest

test-quick: install  ## what takes seconds
	$(BIN)/pytest -m "not slow and not chaos_long and not compose and not gpu"

test-gpu: install  ## what needs an NVIDIA GPU
	$(BIN)/pytest -m gpu

test-compose: install  ## build, run and break deploy/compose in a Docker engine (installed and started where this is root)
	$(BIN)/python -m tests.compose.run

chaos: install  ## break a suite under load FAULTS=1000 times, check its promises; SEED=<n> replays, SUBJECT=detector
	$(BIN)/python -m tests.chaos.run --faults $(or $(FAULTS),1000) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SUBJECT),--subject $(SUBJECT))

##@ Speed
bench: install  ## the suite against the bare model, as ratios (20 minutes; QUICK=1: three); results in out/
	$(BIN)/python -m loadtests.bench $(if $(QUICK),--quick) $(if $(PICTURES),--pictures $(PICTURES)) --out out

rivals: install  ## the suite beside mosec, Triton, LitServe, BentoML and Ray Serve (17 minutes; QUICK=1: 11; ONLY=mosec,servoir)
	$(BIN)/python -m loadtests.rivals $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(PICTURES),--pictures $(PICTURES)) --out out

loadtest: install  ## users like ours for a minute on the suite that runs (URL=, USERS=, TIME=, SHAPE=); out/loadtest.html
	$(BIN)/locust -f loadtests/locustfile.py --headless --only-summary --host $(URL) --shape $(SHAPE) --users $(USERS) \
	  --run-time $(TIME) --admin-token "$$(cat $(HOME_FOLDER)/run/admin_token 2>/dev/null)"

##@ The code
install:  ## make .venv from requirements.lock, if the lock has changed
	@$(if $(PYTHON),$(PYTHON) cli/bootstrap.py,echo "no Python here: install 3.11, 3.12 or 3.13, with venv and pip" >&2; exit 1)

check: install  ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: install  ## generate chassis/rpc from proto/
	$(BIN)/python -m grpc_tools.protoc -I chassis/rpc=proto --python_out=. --pyi_out=. --grpc_python_out=. \
	  $(patsubst proto/%,chassis/rpc/%,$(wildcard proto/*.proto))

settings: install  ## write docs/settings.md and chassis/known_variables.py from the code
	$(BIN)/python -m docs.settings_table

nginx: install  ## write the containers' configurations for nginx from the template in deploy/nginx
	$(BIN)/python -m embedded.front_door

lock: install  ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --quiet --python-version 3.11 --extra gateway --extra queue --extra registry \
	  --extra jobs --extra evaluation --extra conversion \
	  --extra model-server --extra tensorflow --extra onnx --extra litert --extra cli --extra embedded --extra dev \
	  --no-emit-index-url --no-header --generate-hashes -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --quiet --python-version 3.11 --extra model-server --extra litert \
	  --extra tensorflow-cuda --extra onnx-cuda --extra tensorrt -c requirements.lock \
	  --no-emit-index-url --no-header --generate-hashes -o deploy/docker/cuda.lock

clean:  ## delete what can be made again in the checkout (.venv too)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
