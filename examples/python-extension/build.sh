#!/bin/sh
# Makes the extension one file: a zip with a #! line, which Python runs as it is.
set -eu
cd "$(dirname "$0")"
rm -rf build/app
mkdir -p build/app
python=${PYTHON:-/usr/bin/python3}
protoc --python_out=build/app -I ../../schema/proto -I ../node-extension/src/stagehouse/proto \
  stagehouse/v1/common.proto stagehouse/v1/agents.proto stagehouse/v1/brains.proto stagehouse/v1/commands.proto stagehouse/v1/extension.proto plugin.proto
touch build/app/stagehouse/__init__.py build/app/stagehouse/v1/__init__.py
cp __main__.py protocol.py build/app
"$python" -m zipapp build/app -o build/board.new -p "$python"
mv build/board.new build/stagehouse-board.pyz # in one step, because a host may be watching
