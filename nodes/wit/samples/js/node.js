// Counts the words of each text that the effect `words.fetch` answers, and asks it twice.
import { call, currentTask, log, putText } from "prunella:node/host@1.0.0";

export function run(input) {
  const { names } = JSON.parse(input);
  const counts = {};
  for (const name of names) {
    const { text } = JSON.parse(call("words.fetch", JSON.stringify({ name })));
    counts[name] = text.split(/\s+/).filter((word) => word.length > 0).length;
    log(`${name} counted`);
  }
  const list = putText(Object.keys(counts).sort().join("\n"));
  return JSON.stringify({ counts, list: JSON.parse(list), attempt: currentTask().attempt });
}
