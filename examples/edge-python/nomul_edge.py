"""nomul's component under wasmtime: calls by name, errors as exceptions.

The component imports nothing, so an instance can compute and do nothing else. Lists of bytes cross one by one in wasmtime's
Python package, some megabytes a minute. A component whose memory has a model in it already gives it by `resident_model`.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Variant

VERSION = "0.1.0"

OPTIONS = (
    "max-tokens temperature top-k top-p min-p repetition-penalty presence-penalty frequency-penalty seed ignore-eos logprobs"
).split()


class NomulError(Exception):
    """What the component refused: `code` for programs, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def record(**fields: Any) -> SimpleNamespace:
    """A record of WIT: `max_tokens` stands for `max-tokens`."""
    return SimpleNamespace(**{name.replace("_", "-"): value for name, value in fields.items()})


def options(**given: Any) -> SimpleNamespace:
    """Options of an answer; what is not given is the component's default."""
    fields: dict[str, Any] = dict.fromkeys(OPTIONS)
    fields |= {"logit-bias": [], "stop": []}
    fields |= {name.replace("_", "-"): value for name, value in given.items()}
    return SimpleNamespace(**fields)


class Nomul:
    """An instance of the component. `memory` is the most bytes that it may take."""

    def __init__(self, component: str | Path, memory: int = 1 << 30) -> None:
        config = Config()
        config.wasm_relaxed_simd = True
        engine = Engine(config)
        self.store = Store(engine)
        self.store.set_limits(memory_size=memory)
        self.instance = Linker(engine).instantiate(self.store, Component.from_file(engine, str(component)))
        self._functions: dict[tuple[str, str], Any] = {}

    def call(self, interface: str, name: str, *arguments: Any) -> Any:
        """Calls a function: `call("search", "[method]vector-index.size", index)`. What it refuses is a `NomulError`."""
        function = self._functions.get((interface, name))
        if function is None:
            place = self.instance.get_export_index(self.store, f"nomul:runtime/{interface}@{VERSION}")
            index = place and self.instance.get_export_index(self.store, name, place)
            function = index and self.instance.get_func(self.store, index)
            if function is None:
                raise KeyError(f"nomul:runtime/{interface}@{VERSION} has no {name}")
            self._functions[interface, name] = function
        value = function(self.store, *arguments)
        function.post_return(self.store)
        if isinstance(value, Variant) and value.tag in ("ok", "err"):
            if value.tag == "err":
                raise NomulError(value.payload.code, value.payload.message)
            return value.payload
        # Where both cases of a result differ in kind, the package returns the case itself.
        if set(getattr(value, "__dict__", ())) == {"code", "message"}:
            raise NomulError(value.code, value.message)
        return value

    def model(self, folder: str | Path, context_length: int | None = None) -> Model:
        """The model of a folder."""
        folder = Path(folder)

        def read(name: str) -> bytes | None:
            path = folder / name
            return path.read_bytes() if path.exists() else None

        files = record(
            config=(folder / "config.json").read_bytes(),
            index=(folder / "model.safetensors.index.json").read_bytes(),
            tokenizer=(folder / "tokenizer.json").read_bytes(),
            tokenizer_config=read("tokenizer_config.json"),
            generation_config=read("generation_config.json"),
            chat_template=read("chat_template.jinja"),
        )
        handle = self.call("models", "[static]model.open", files, context_length)
        for shard in self.call("models", "[method]model.shards", handle):
            with open(folder / shard.file, "rb") as file:
                while part := file.read(1 << 16):
                    self.call("models", "[method]model.push", handle, part)
        return Model(self, handle)

    def resident_model(self) -> Model:
        """The model that an image has brought along."""
        return Model(self, self.call("models", "[static]model.take-resident"))


class Model:
    """A model with one conversation."""

    def __init__(self, nomul: Nomul, handle: Any) -> None:
        self.nomul, self.handle = nomul, handle

    def call(self, name: str, *arguments: Any) -> Any:
        return self.nomul.call("models", f"[method]model.{name}", self.handle, *arguments)

    def chat(self, messages: list[dict[str, str]], **given: Any) -> Iterator[str]:
        """The answer to a conversation, in pieces as they come."""
        said = [record(role=message["role"], content=message["content"]) for message in messages]
        return self._pieces(self.call("chat", said, options(**given)))

    def complete(self, prompt: str, **given: Any) -> Iterator[str]:
        """How a text goes on, in pieces as they come."""
        return self._pieces(self.call("complete", prompt, options(**given)))

    def embed(self, text: str) -> list[float]:
        """The vector of a text, of length one."""
        return self.call("embed", text)

    def _pieces(self, generation: Any) -> Iterator[str]:
        try:
            while True:
                event = self.nomul.call("models", "[method]generation.next", generation)
                if event.tag != "prefill" and event.payload.text:
                    yield event.payload.text
                if event.tag == "end":
                    return
        finally:
            generation.drop(self.nomul.store)
