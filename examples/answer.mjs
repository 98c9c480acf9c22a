// The ten lines that the examples for pages share.
import { load } from "nomul";

const place = document.querySelector("#answer");
const model = await load(new URL("model/", document.baseURI));
const messages = [{ role: "user", content: "What is gravity?" }];
for await (const { choices } of model.chat({ messages, max_tokens: 16, stream: true })) {
  place.textContent += choices[0].delta.content ?? "";
}
await model.dispose();
document.title = "done";
