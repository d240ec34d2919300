/** Takes a prepared task into the coordinator: its plan signed, its files stored, its promise in the ledger. */
import {
  bytesToHex,
  canonicalJson,
  KindredError,
  planDigest,
  planSigningText,
  type SignedPlan,
  utf8ToBytes,
} from "@kindred/protocol";
import type { BlobStores } from "../store/blobs.ts";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Database } from "../store/database.ts";
import { ConflictError } from "../store/errors.ts";
import type { Clock } from "./clock.ts";
import { appendToLedger } from "./commit.ts";
import type { LedgerKeeper } from "./ledger-keeper.ts";
import type { NewTask } from "./new-task.ts";

/** Where a new task is written down. */
interface TaskRegister {
  readonly database: Database;
  readonly released: BlobStores["released"];
  readonly ledger: LedgerKeeper;
  readonly key: CoordinatorKey;
  readonly clock: Clock;
}

/** Hashes of a task's stored files. */
interface StoredFiles {
  readonly modelHash: string;
  /** Manifest and segments of its features. */
  readonly features: readonly string[];
}

/**
 * Signs and stores a task. Once it resolves the task survives a restart; it is not served yet.
 * @throws KindredError `plan-invalid` if the coordinator has a task of that id
 */
export async function acceptTask(task: NewTask, register: TaskRegister): Promise<SignedPlan> {
  const { plan } = task;
  const { key, ledger, released } = register;
  const signature = bytesToHex(key.sign(utf8ToBytes(planSigningText(plan))));
  await released.put(task.catalogue);
  const features: string[] = [];
  for (const file of task.features) features.push(await released.put(file));
  const modelHash = await released.put(task.model);
  await ledger.inTurn(() => writeTask({ plan, signature }, { modelHash, features }, register));
  return { plan, signature };
}

async function writeTask(
  { plan, signature }: SignedPlan,
  { modelHash, features }: StoredFiles,
  { database, key, clock }: TaskRegister,
): Promise<void> {
  const now = clock.now();
  const digest = planDigest(plan);
  const { catalogueHash: catalogue } = plan.resolved;
  try {
    await database.tx("create task", async (stores) => {
      const text = canonicalJson(plan);
      await stores.tasks.create({
        id: plan.task,
        plan: text,
        signature,
        planDigest: digest,
        catalogueHash: catalogue,
        status: "running",
        createdAt: now,
      });
      await stores.tasks.addFiles(plan.task, features);
      await stores.models.record({
        task: plan.task,
        round: 0,
        hash: modelHash,
        parent: null,
        createdAt: now,
      });
      const noise = plan.privacy.mechanism !== "none";
      await appendToLedger(
        stores,
        {
          kind: "plan-accepted",
          task: plan.task,
          planDigest: digest,
          plan,
          epsilon: noise ? plan.privacy.epsilon : null,
          delta: plan.privacy.delta,
          participations: plan.participation.maximum,
          rounds: plan.rounds,
          catalogueHash: catalogue,
          modelHash,
        },
        { key, now },
      );
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    throw new KindredError({
      code: "plan-invalid",
      field: "plan.task",
      rule: `must be new, but "${plan.task}" exists on this coordinator`,
      fix: "choose another task id; a plan never changes once it is signed",
    });
  }
}
