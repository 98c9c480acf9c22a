"""Puts a question to a model inside a component: `python main.py nomul.component.wasm MODEL "What is gravity?"`."""

import sys

from nomul_edge import Nomul

component, folder, question = sys.argv[1:]
model = Nomul(component).model(folder)
for piece in model.chat([{"role": "user", "content": question}], max_tokens=24):
    print(piece, end="", flush=True)
print()
