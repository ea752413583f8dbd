"""A TensorFlow GraphDef made fit for other frameworks. Works on the graph alone and needs no TensorFlow.

The adapters bring a picture to the model's size before the model sees it, as floats (services/model_server says why).
So what a graph does at its beginning to bring pictures to that size has nothing to do, and is taken out: the cast of a
uint8 image, a resizing to the size that pictures have already, and a loop over the pictures of a batch (TensorArrays,
as TensorFlow 1 wrote them) whose body does nothing but resize, which no other framework can batch. Whether the graph
still says the same is not believed but measured, on real pictures, at the end of a conversion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_FLOAT, _UINT8 = 1, 4  # DataType in TensorFlow's types.proto
_RESIZES = {"ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor", "ScaleAndTranslate"}
_SHAPE_ONLY = {"Identity", "ExpandDims", "Squeeze", "Reshape", "Cast"}


def inline(graph: Any, call: Any, body: Any, flat_names: Mapping[str, str]) -> None:
    """Put *body*, the graph of the function that the node *call* calls, in its place in *graph*.

    *body* has a placeholder for each argument, in order and before all others; *flat_names* gives the tensor in it of
    each of the function's results, in order.
    """
    prefix = call.name + "/inlined/"
    arguments = dict(zip((node.name for node in body.node if node.op == "Placeholder"), call.input, strict=False))

    def renamed(reference: str) -> str:
        control, name = ("^", reference[1:]) if reference.startswith("^") else ("", reference)
        node, _, port = name.partition(":")
        given = arguments.get(node)
        if given is not None:
            return control + (source(given) if control else given)
        return f"{control}{prefix}{node}" + (f":{port}" if port not in ("", "0") else "")

    for node in body.node:
        if node.op == "Placeholder":
            continue
        copy = graph.node.add()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        del copy.input[:]
        copy.input.extend(renamed(reference) for reference in node.input if not _unfed(reference, body, arguments))
    results = {f"{call.name}:{at}": renamed(name) for at, name in enumerate(flat_names.values())}
    results[call.name] = results[f"{call.name}:0"]
    graph.node.remove(call)
    _redirect(graph.node, results, gone=call.name)


def without_resizing_loops(graph: Any) -> int:
    """Let pictures pass by each loop over a batch that only resizes them; return how many such loops there were."""
    nodes = {node.name: node for node in graph.node}
    passed = 0
    for gather in [node for node in graph.node if node.op == "TensorArrayGatherV3"]:
        batch = _resized_batch(gather, nodes)
        if batch:
            _redirect(graph.node, {gather.name: batch, f"{gather.name}:0": batch}, gone="")
            passed += 1
    return passed


def without_resizing(graph: Any, name: str, sides: tuple[int | None, int | None]) -> int:
    """Let the image *name* pass by what resizes it to *sides* (height, width), its own size; return how often."""
    nodes = {node.name: node for node in graph.node}
    passed = 0
    for node in [node for node in graph.node if node.op in _RESIZES]:
        if _behind_casts(node.input[0], nodes) == name and _constant(node.input[1], nodes) == list(sides):
            given = node.input[0]
            _redirect(graph.node, {node.name: given, f"{node.name}:0": given}, gone="")
            passed += 1
    return passed


def take_floats(graph: Any, name: str) -> bool:
    """Let *graph* take its uint8 image *name* as float32, where it does nothing with it but cast it to that."""
    nodes = {node.name: node for node in graph.node}
    placeholder, casts = nodes[name], _casts(graph.node, name)
    if placeholder.attr["dtype"].type != _UINT8 or casts is None:
        return False
    placeholder.attr["dtype"].type = _FLOAT
    for node in casts:
        node.attr["T" if node.op == "Identity" else "SrcT"].type = _FLOAT
    return True


def with_input_shape(graph: Any, name: str, shape: Iterable[int | None]) -> None:
    """Fix the shape of the placeholder *name*; None stays open."""
    placeholder = next(node for node in graph.node if node.name == name)
    told = placeholder.attr["shape"].shape
    told.unknown_rank = False
    del told.dim[:]
    for size in shape:
        told.dim.add(size=-1 if size is None else size)


def source(reference: str) -> str:
    """Return the node that an input's *reference* (``node``, ``node:1``, ``^node``) names."""
    return reference.removeprefix("^").partition(":")[0]


def _unfed(reference: str, body: Any, arguments: Mapping[str, str]) -> bool:
    """Say whether *reference* is to a placeholder that no argument feeds: what TensorFlow adds for control alone."""
    name = source(reference)
    return name not in arguments and any(node.name == name and node.op == "Placeholder" for node in body.node)


def _redirect(nodes: Iterable[Any], to: Mapping[str, str], *, gone: str) -> None:
    """Let all *nodes* read what *to* says in the place of each tensor; who waited for the node *gone* waits no more."""
    for node in nodes:
        kept = [reference for reference in node.input if not gone or reference != f"^{gone}"]
        del node.input[:]
        node.input.extend(to.get(reference, reference) for reference in kept)


def _casts(nodes: Iterable[Any], name: str) -> list[Any] | None:
    """Return the identities and casts to float that read *name*; None where anything else does."""
    found = []
    nodes = list(nodes)
    for node in [node for node in nodes if any(source(given) == name for given in node.input)]:
        if node.op == "Identity":
            behind = _casts(nodes, node.name)
            if behind is None:
                return None
            found += [node, *behind]
        elif node.op == "Cast" and node.attr["DstT"].type == _FLOAT:
            found.append(node)
        else:
            return None
    return found


def _behind_casts(reference: str, nodes: Mapping[str, Any]) -> str:
    """Return the node that *reference* comes from through one cast to float, and identities; else nothing."""
    node, casts = nodes[source(reference)], 0
    while node.op in ("Identity", "Cast") and node.input:
        casts += node.op == "Cast" and node.attr["DstT"].type == _FLOAT
        node = nodes[source(node.input[0])]
    return str(node.name) if casts else ""


def _constant(reference: str, nodes: Mapping[str, Any]) -> list[int]:
    """Return the whole numbers (32 bits) of a constant; none where it is not one."""
    node = nodes[source(reference)]
    if node.op != "Const":
        return []
    tensor = node.attr["value"].tensor
    content: bytes = tensor.tensor_content
    if content:
        return [int.from_bytes(content[at : at + 4], "little", signed=True) for at in range(0, len(content), 4)]
    sizes: list[int] = [side.size for side in tensor.tensor_shape.dim]
    values = list(tensor.int_val)
    return values * sizes[0] if len(values) == 1 and len(sizes) == 1 else values


def _resized_batch(gather: Any, nodes: Mapping[str, Any]) -> str:
    """Return the tensor that a loop, whose results *gather* stacks, takes apart and only resizes; else nothing."""
    written = [
        node
        for node in nodes.values()
        if node.op == "TensorArrayWriteV3" and _array(node.input[0], nodes) == source(gather.input[0])
    ]
    if len(written) != 1:
        return ""
    read = _behind_a_resize(written[0].input[2], nodes)
    if read is None:
        return ""
    array = _array(read.input[0], nodes)
    fed = [node for node in nodes.values() if node.op == "TensorArrayScatterV3" and source(node.input[0]) == array]
    return str(fed[0].input[2]) if len(fed) == 1 else ""


def _behind_a_resize(reference: str, nodes: Mapping[str, Any]) -> Any | None:
    """Follow *reference* back to the element that the loop reads, where all between is one or more resizes."""
    node, resized = nodes[source(reference)], False
    while node.op in _RESIZES | _SHAPE_ONLY:
        resized = resized or node.op in _RESIZES
        node = nodes[source(node.input[0])]
    return node if resized and node.op == "TensorArrayReadV3" else None


def _array(reference: str, nodes: Mapping[str, Any]) -> str:
    """Return the TensorArray behind *reference*, which enters the loop through an Enter."""
    node = nodes[source(reference)]
    while node.op in ("Enter", "Identity"):
        node = nodes[source(node.input[0])]
    return str(node.name)
