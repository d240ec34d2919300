import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { Processes } from "../src/secagg/processes.ts";

const folder = mkdtempSync(join(tmpdir(), "kindred-processes-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A process that runs this code; `send` reports, `input` is what it was given. */
function started(code: string) {
  const file = join(folder, `${code.length}.mjs`);
  const head = "const input = JSON.parse(process.argv[2]); const send = (message) => process.send(message);";
  writeFileSync(file, `${head}\n${code}\n`);
  const processes = new Processes();
  const observed: string[] = [];
  const child = processes.start<{ type: string }, number, "go">(pathToFileURL(file), {
    name: "clients",
    input: { answer: 42 },
    observe: ({ type }) => observed.push(type),
  });
  return { ...child, observed, processes };
}

test("a process reports, is told to go on, and ends with its figures", async () => {
  const { figures, tell, observed } = started(`
    process.once("message", (order) => {
      send({ type: order });
      send({ type: "finished", figures: input.answer });
    });
  `);
  tell("go");
  expect(await figures).toBe(42);
  expect(observed).toEqual(["go", "finished"]);
});

test("a process that fails or ends early is an error, and telling it more is none", async () => {
  const failed = started('send({ type: "failed", reason: "no memory" });');
  await expect(failed.figures).rejects.toThrow("the clients failed: no memory");
  const gone = started("process.exit(3);");
  await expect(gone.figures).rejects.toThrow("the process of the clients ended with code 3");
  gone.tell("go");
  failed.processes.end();
});

test("whoever is left is ended", async () => {
  const { figures, processes } = started("setInterval(() => {}, 1000); send({ type: 'waiting' });");
  processes.end();
  await expect(figures).rejects.toThrow("the process of the clients ended");
});
