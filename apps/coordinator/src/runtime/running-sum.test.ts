import { mkdtemp, readdir, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KindredError, packBits } from "@kindred/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BlobStores, openBlobStores } from "../store/blobs.ts";
import { RunningSum } from "./running-sum.ts";

const shape = { task: "films", bits: 12, length: 4 };
const [a, b] = [
  { device: "a", round: 1 },
  { device: "b", round: 1 },
];

let root: string;
let stores: BlobStores;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kindred-sum-"));
  stores = await openBlobStores(root, Date.now());
});
afterEach(() => rm(root, { recursive: true }));

const newSum = () => new RunningSum({ ...shape, spool: stores.spool });
const packed = (...values: number[]) => packBits(Uint32Array.from(values), shape.bits);
const total = (sum: RunningSum) => Array.from(sum.masked());
const spooled = async () =>
  (await readdir(join(root, "spool"), { recursive: true })).filter((path) => /[0-9a-f]{64}$/.test(path));

async function receive(sum: RunningSum, vector: Uint8Array, sender: typeof a): Promise<string> {
  const received = await sum.receive(vector, sender!);
  if (!received.ok) throw new Error(received.rejection.rule);
  expect(received.value).toBe(sum.nameOf(vector, sender!));
  return received.value;
}

describe("the running sum", () => {
  it("adds each accepted vector once, modulo 2^b", async () => {
    const sum = newSum();
    const [x, y] = [await receive(sum, packed(1, 2, 3, 4095), a), await receive(sum, packed(10, 0, 0, 2), b)];
    await Promise.all([sum.add(x), sum.add(x), sum.add(y)]);
    await sum.add(y);
    expect(total(sum)).toEqual([11, 2, 3, 1]);
  });

  it("counts equal vectors of two devices twice, and keeps one when the other is refused", async () => {
    const sum = newSum();
    const x = await receive(sum, packed(1, 1, 1, 1), a);
    const y = await receive(sum, packed(1, 1, 1, 1), b);
    expect(x).not.toBe(y);
    await sum.refuse(y);
    await newSum().add(x);
    await sum.add(x);
    await sum.add(await receive(sum, packed(1, 1, 1, 1), b));
    expect(total(sum)).toEqual([2, 2, 2, 2]);
  });

  it("is the same when it is rebuilt from the spool", async () => {
    const sum = newSum();
    const names = [await receive(sum, packed(1, 2, 3, 4), a), await receive(sum, packed(5, 6, 7, 8), b)];
    const rebuilt = newSum();
    for (const name of names) await rebuilt.add(name);
    expect(total(rebuilt)).toEqual([6, 8, 10, 12]);
  });

  it("does not take a vector for added that could not be read", async () => {
    const sum = newSum();
    const name = await receive(sum, packed(1, 2, 3, 4), a);
    const rebuilt = newSum();
    const [path] = await spooled();
    await unlink(join(root, "spool", path!));
    await expect(rebuilt.add(name)).rejects.toThrow(KindredError);
    await expect(rebuilt.add(name)).rejects.toThrow(/spool must hold every accepted vector/);
    await receive(sum, packed(1, 2, 3, 4), a);
    await rebuilt.add(name);
    expect(total(rebuilt)).toEqual([1, 2, 3, 4]);
  });

  it("refuses a vector of another length, and leaves nothing of the round behind", async () => {
    const sum = newSum();
    expect(await sum.receive(packed(1, 2, 3), a!)).toMatchObject({
      ok: false,
      rejection: { code: "vector-invalid", field: "vector" },
    });
    const accepted = await receive(sum, packed(1, 2, 3, 4), a);
    await sum.add(accepted);
    await receive(sum, packed(4, 3, 2, 1), b);
    const other = await stores.spool.put(new Uint8Array([1]));
    await sum.discard([accepted]);
    expect(await spooled()).toEqual([expect.stringContaining(other)]);
  });
});
