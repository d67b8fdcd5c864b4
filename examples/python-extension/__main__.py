"""board is a page that shows the agents of the host and how they are."""

import html
import re

import grpc
from protocol import Extension, Handler, Problem, log, main
from stagehouse.v1 import agents_pb2


class Board(Extension):
    name, version, summary = "board", "1.0.0", "A page that shows the agents and how they are."
    requires = ["agents"]
    schema = {
        "address": {"type": "string", "default": "127.0.0.1:3004", "description": "Where to listen"},
        "refresh": {"type": "integer", "default": 5, "description": "Seconds until a browser looks again"},
    }

    def validate(self, config):
        if not re.search(r":\d+$", config["address"]):
            yield Problem("/address", f'"{config["address"]}" has no port', "write it as 127.0.0.1:3004")
        if config["refresh"] < 1:
            yield Problem("/refresh", "must be at least 1")

    def start(self, config, host):
        class Page(Handler):
            def do_GET(self):
                request = agents_pb2.ListAgentsRequest(limit=200)
                try:
                    page = host.call("/stagehouse.v1.Agents/List", request, agents_pb2.ListAgentsResponse, "read")
                except grpc.RpcError as err:
                    return self.answer(503, "text/plain; charset=utf-8", err.details() + "\n")
                rows = "".join(f"<tr><td>{html.escape(a.name)}<td>{a.status}<td>{html.escape(a.emotion.name)}" for a in page.agents)
                head = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="{config["refresh"]}"><title>Agents</title>'
                self.answer(200, "text/html; charset=utf-8", f"{head}<table><tr><th>agent<th>status<th>mood{rows}</table>\n")

        host.serve(config["address"], Page)
        log.info("the board is open", address=host.addresses[0])


main(Board())
