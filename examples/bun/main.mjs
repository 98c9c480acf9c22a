import { load } from "nomul";

const model = await load(process.argv[2]);
const messages = [{ role: "user", content: "What is gravity?" }];
for await (const { choices } of model.chat({ messages, max_tokens: 16, stream: true })) {
  process.stdout.write(choices[0].delta.content ?? "");
}
await model.dispose();
