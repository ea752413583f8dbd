#!/bin/sh
# mongod as a member of the replica set rs0, where every connection needs a user. It wants its key readable by itself
# alone, which a mounted secret is not: hence the copy, in memory.
set -eu
umask 077
cat /run/secrets/mongo_keyfile > /tmp/keyfile
exec mongod --dbpath /data/db --bind_ip_all --nounixsocket --replSet rs0 --keyFile /tmp/keyfile \
    --wiredTigerCacheSizeGB "${MONGO_CACHE_GB}"
