import { expect, it } from "vitest";
import { benchUpload, UPLOAD_TARGETS } from "../src/upload/bench-upload.ts";

function sink() {
  let text = "";
  const stream = {
    write: (chunk: string) => {
      text += chunk;
      return true;
    },
  };
  return { stream: stream as unknown as NodeJS.WritableStream, text: () => text };
}

it("bench upload prints one line for each plan: which ones keep within the targets", async () => {
  const { stream, text } = sink();
  const uploads = await benchUpload({ items: "2414" }, stream);
  for (const { plan, bytes } of uploads) {
    const line = text()
      .split("\n")
      .find((printed) => printed.startsWith(`${plan}  `));
    expect(line).toContain((bytes / 1000).toFixed(1));
  }
  const bytesOf = (name: string) => uploads.find(({ plan }) => plan === name)!.bytes;
  for (const name of ["one layer", "adapters", "head"])
    expect(bytesOf(name)).toBeLessThanOrEqual(UPLOAD_TARGETS.encoder);
  // Neither padding nor more bits than need be: less than half of what 131,072 entries of 24 bits took.
  expect(bytesOf("default encoder")).toBeLessThan(180_000);
  expect(bytesOf("default encoder")).toBeLessThan(0.8 * bytesOf("default, 20 bits"));
  for (const { rounding } of uploads) expect(rounding).toBeLessThanOrEqual(0.0101);
});

it.each(["255", "1e9", "many"])("bench upload refuses %s items", async (items) => {
  await expect(benchUpload({ items }, sink().stream)).rejects.toMatchObject({
    rejection: { code: "option-invalid", field: "--items" },
  });
});
