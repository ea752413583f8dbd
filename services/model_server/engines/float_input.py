"""Lets a TensorFlow graph that takes uint8 images take float32 ones: the cast at its beginning has nothing to do then.

A picture is resized before it reaches the graph, so that pictures of any size join in a batch. Rounded to whole grey
levels there, its boxes would move by up to three pixels against the graph's own resizing; as floats they do not.
This works on a GraphDef alone and needs no TensorFlow. Pure, but for the graph that it changes in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_FLOAT, _UINT8 = 1, 4  # DataType in TensorFlow's types.proto
_SUFFIX = "_of_float"


def take_float(graph: Any, name: str) -> bool:
    """Change *graph*'s uint8 placeholder *name* to float32; return whether that could be done.

    It can where the input only ever goes, through identities and function calls, into casts to float32. Otherwise
    *graph* may be left half changed, and is to be thrown away.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    placeholder = next(node for node in graph.node if node.name == name)
    if placeholder.attr["dtype"].type != _UINT8:
        return False
    placeholder.attr["dtype"].type = _FLOAT
    return _retype(graph.node, name, functions)


def _source(reference: str) -> str:
    """Return the node that an input's *reference* (``node``, ``node:0``, ``node:output:0``) names."""
    return reference.split(":")[0]


def _users(nodes: Iterable[Any], name: str) -> list[tuple[Any, list[int]]]:
    """Return the nodes that read *name*, each with the places of its inputs that do."""
    found = [(node, [at for at, given in enumerate(node.input) if _source(given) == name]) for node in nodes]
    return [(node, places) for node, places in found if places]


def _retype(nodes: Iterable[Any], name: str, functions: dict[str, Any]) -> bool:
    """Follow *name*, now float32, to its casts, which then have nothing to do."""
    nodes = list(nodes)
    return all(_retype_user(node, places, nodes, functions) for node, places in _users(nodes, name))


def _retype_user(node: Any, places: list[int], nodes: list[Any], functions: dict[str, Any]) -> bool:
    if node.op == "Identity":
        node.attr["T"].type = _FLOAT
        return _retype(nodes, node.name, functions)
    if node.op == "Cast" and node.attr["DstT"].type == _FLOAT:
        node.attr["SrcT"].type = _FLOAT
        return True
    if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
        return all(_retype_argument(node, place, functions) for place in places)
    return False


def _retype_argument(call: Any, place: int, functions: dict[str, Any]) -> bool:
    """Follow an argument into the function that *call* calls; it gets a new name, since the old one is registered."""
    function = functions[call.attr["f"].func.name]
    if not function.signature.name.endswith(_SUFFIX):
        function.signature.name += _SUFFIX
    call.attr["f"].func.name = function.signature.name
    functions[function.signature.name] = function
    call.attr["Tin"].list.type[place] = _FLOAT
    argument = function.signature.input_arg[place]
    if argument.type == _FLOAT:
        return True
    argument.type = _FLOAT
    return _retype(function.node_def, argument.name, functions)
