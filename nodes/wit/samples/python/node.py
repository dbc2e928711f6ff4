"""Counts the words of each text that the effect `words.fetch` answers."""

import json

from wit_world import WitWorld as Base
from wit_world.imports import host


class WitWorld(Base):
    def run(self, input):
        counts = {}
        for name in json.loads(input)["names"]:
            text = json.loads(host.call("words.fetch", json.dumps({"name": name})))["text"]
            counts[name] = len(text.split())
            host.log(f"{name} counted")
        return json.dumps({"counts": counts, "attempt": host.current_task().attempt})
