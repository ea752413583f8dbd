#!/bin/sh
# Redis, or Valkey, as the queue needs it: every acknowledged request in the append-only file, nothing thrown away when
# memory is full (the queue then refuses at the door), a password. It is read from its secret, never a process's argument.
set -eu
umask 077
cat > /tmp/redis.conf <<CONFIGURATION
bind * -::*
port 6379
dir /data
requirepass $(cat /run/secrets/redis_password)
save ""
appendonly yes
appendfsync everysec
auto-aof-rewrite-min-size 512mb
maxmemory ${REDIS_MAXMEMORY}
maxmemory-policy noeviction
latency-tracking no
CONFIGURATION
exec redis-server /tmp/redis.conf
