"""Calls tools of the servers that the tests install, each through a function
that `wasm-coordinator wit` printed, and returns what came back.

The first argument is a folder that the server `filesystem` may write to.
"""

import json
import traceback

import wit_world
from componentize_py_types import Err, Ok
from wit_world.imports import mcp_everything_tools as everything
from wit_world.imports import mcp_filesystem_tools as filesystem
from wit_world.imports import mcp_memory_tools as memory
from wit_world.imports import mcp_time_tools as time
from wit_world.imports import types


def main(folder):
    # An enum as an argument, a record as a result.
    weather = everything.get_structured_content(everything.Location.CHICAGO)

    # Options left out and given.
    options = everything.GetResourceLinksOptions(count=2.0)
    links = [
        everything.get_resource_links(None),
        everything.get_resource_links(options),
    ]

    # Lists of records both ways, and a field whose name is a keyword.
    basel = memory.Entity("Basel", "port", ["wet"])
    memory.create_entities([basel])
    memory.create_relations(
        [memory.Relation(from_="Basel", to="Rotterdam", relation_type="Rhine")]
    )
    graph = memory.read_graph()
    assert graph.entities == [basel], graph

    filesystem.write_file(f"{folder}/poem.txt", "one\ntwo\nthree\n")
    head = filesystem.ReadTextFileOptions(head=2.0, tail=None)

    return {
        "weather": [
            type(value).__name__
            for value in (weather.temperature, weather.conditions, weather.humidity)
        ],
        "links": [text.count('"uri"') for text in links],
        "time": time.convert_time(
            "Europe/Zurich", "12:30", "Asia/Kathmandu"
        ).target.timezone,
        "graph": [
            graph.entities[0].entity_type,
            graph.entities[0].observations,
            graph.relations[0].from_,
        ],
        "head": filesystem.read_text_file(f"{folder}/poem.txt", head).content,
        "errors": [
            error_of(lambda: time.get_current_time("Nowhere/Land")),
            error_of(lambda: everything.get_sum(1.0, float("inf"))),
        ],
    }


def error_of(call):
    try:
        return call()
    except Err as error:
        return [error.value.kind.name, error.value.message]


class WitWorld(wit_world.WitWorld):
    def run(self, program):
        try:
            result = Ok(types.Value_Json(json.dumps(main(*program.arguments))))
        except Exception as error:
            kind, trace = type(error).__name__, traceback.format_exc()
            failure = types.Exception(kind, str(error), trace, None)
            result = Err(types.Failure_Raised(failure))
        return types.Step_Finished(types.Outcome(result, warnings=[]))

    def resume(self, completions):
        raise NotImplementedError("nothing is ever waited for outside of a call")
