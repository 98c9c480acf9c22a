"use client";

// The model runs in the visitor's browser: nomul is imported when the component is there, never on the server.
import { useEffect, useState } from "react";

export default function Page() {
  const [answer, setAnswer] = useState("");

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    (async () => {
      const { load } = await import("nomul");
      const model = await load("/model/", { signal });
      try {
        const messages = [{ role: "user", content: "What is gravity?" }];
        for await (const { choices } of model.chat({ messages, max_tokens: 16, stream: true, signal })) {
          setAnswer((text) => text + (choices[0].delta.content ?? ""));
        }
      } finally {
        await model.dispose();
      }
    })().catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
    return () => controller.abort();
  }, []);

  return <p id="answer">{answer}</p>;
}
