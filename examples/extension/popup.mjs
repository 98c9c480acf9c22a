// An extension has no import map: the package is copied beside this file.
import { load } from "./nomul/build/index.js";

const place = document.querySelector("#answer");
const model = await load("model/");
const messages = [{ role: "user", content: "What is gravity?" }];
for await (const { choices } of model.chat({ messages, max_tokens: 16, stream: true })) {
  place.textContent += choices[0].delta.content ?? "";
}
await model.dispose();
document.title = "done";
