/**
 * A text model of 40 lines as real files: ONNX (protocol buffers written by hand) and a tokenizer of whole words. Its only layer
 * looks up token vectors: `last_hidden_state = Gather(table, input_ids)`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "crime", "thriller", "love", "story"];
const WIDTH = 3;

/** Token vectors by id: token t has 1 at t modulo `WIDTH`, and t in hundredths everywhere. */
export function tokenVector(token: string): number[] {
  const id = Math.max(1, WORDS.indexOf(token));
  return Array.from({ length: WIDTH }, (_, i) => (id % WIDTH === i ? 1 : 0) + id / 100);
}

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, content: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, content: string): number[] =>
  bytes(field, [...new TextEncoder().encode(content)]);

const FLOAT = 1;
const INT64 = 7;

/** ValueInfoProto of a tensor with named axes or axes of fixed length. */
function value(name: string, type: number, axes: readonly (string | number)[]): number[] {
  const shape = axes.flatMap((axis) => bytes(1, typeof axis === "string" ? text(2, axis) : number(1, axis)));
  return [...text(1, name), ...bytes(2, bytes(1, [...number(1, type), ...bytes(2, shape)]))];
}

function model(): Uint8Array {
  const table = new Float32Array(WORDS.flatMap(tokenVector));
  const initialiser = [
    ...number(1, WORDS.length),
    ...number(1, WIDTH),
    ...number(2, FLOAT),
    ...text(8, "table"),
    ...bytes(9, [...new Uint8Array(table.buffer)]),
  ];
  const gather = [
    ...text(1, "table"),
    ...text(1, "input_ids"),
    ...text(2, "last_hidden_state"),
    ...text(4, "Gather"),
  ];
  const graph = [
    ...bytes(1, gather),
    ...text(2, "tiny"),
    ...bytes(5, initialiser),
    ...bytes(11, value("input_ids", INT64, ["batch", "length"])),
    ...bytes(11, value("attention_mask", INT64, ["batch", "length"])),
    ...bytes(12, value("last_hidden_state", FLOAT, ["batch", "length", WIDTH])),
  ];
  return Uint8Array.from([
    ...number(1, 8),
    ...bytes(7, graph),
    ...bytes(8, [...text(1, ""), ...number(2, 13)]),
  ]);
}

/** Writes the model's files into a folder as Hugging Face lays them out. */
export async function writeTinyModel(folder: string): Promise<void> {
  const special = WORDS.slice(0, 4).map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "Whitespace" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
      unk_token: "[UNK]",
    },
  };
  const files = {
    "config.json": { model_type: "bert", hidden_size: WIDTH, vocab_size: WORDS.length },
    "tokenizer.json": tokenizer,
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizer",
      model_max_length: 16,
      pad_token: "[PAD]",
      unk_token: "[UNK]",
    },
  };
  await mkdir(join(folder, "onnx"), { recursive: true });
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), JSON.stringify(content));
  await writeFile(join(folder, "onnx", "model.onnx"), model());
}
