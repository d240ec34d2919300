-- Deployment
CREATE TABLE "Setting" (
  "key" TEXT NOT NULL,
  "value" TEXT NOT NULL,
  CONSTRAINT "Setting_pkey" PRIMARY KEY ("key")
);

-- Tasks
CREATE TABLE "Task" (
  "id" TEXT NOT NULL,
  "plan" TEXT NOT NULL,
  "signature" TEXT NOT NULL,
  "planDigest" TEXT NOT NULL,
  "catalogueHash" TEXT NOT NULL,
  "status" TEXT NOT NULL,
  "journalSequence" BIGINT NOT NULL DEFAULT 0,
  "createdAt" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "Task_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "Task_id_check" CHECK ("id" ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  CONSTRAINT "Task_signature_check" CHECK ("signature" ~ '^[0-9a-f]{128}$'),
  CONSTRAINT "Task_planDigest_check" CHECK ("planDigest" ~ '^[0-9a-f]{64}$'),
  CONSTRAINT "Task_catalogueHash_check" CHECK ("catalogueHash" ~ '^[0-9a-f]{64}$'),
  CONSTRAINT "Task_status_check" CHECK ("status" IN ('running', 'finished', 'failed', 'cancelled')),
  CONSTRAINT "Task_journalSequence_check" CHECK ("journalSequence" >= 0)
);
CREATE INDEX "Task_catalogueHash_idx" ON "Task" ("catalogueHash");

-- Released models
CREATE TABLE "ModelVersion" (
  "task" TEXT NOT NULL,
  "round" INTEGER NOT NULL,
  "hash" TEXT NOT NULL,
  "parent" TEXT,
  "createdAt" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "ModelVersion_pkey" PRIMARY KEY ("task", "round"),
  CONSTRAINT "ModelVersion_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "ModelVersion_hash_check" CHECK ("hash" ~ '^[0-9a-f]{64}$'),
  CONSTRAINT "ModelVersion_parent_check" CHECK (("parent" IS NULL) = ("round" = 0))
);
CREATE INDEX "ModelVersion_hash_idx" ON "ModelVersion" ("hash");

-- Rounds
CREATE TABLE "Round" (
  "task" TEXT NOT NULL,
  "number" INTEGER NOT NULL,
  "status" TEXT NOT NULL,
  "cohort" INTEGER NOT NULL,
  "survivors" INTEGER NOT NULL,
  "dropped" INTEGER NOT NULL,
  "epsilonCoordinator" DOUBLE PRECISION,
  "epsilonObserver" DOUBLE PRECISION,
  "loss" DOUBLE PRECISION,
  "statistics" JSONB NOT NULL,
  "startedAt" TIMESTAMP(3) NOT NULL,
  "endedAt" TIMESTAMP(3),
  "reason" TEXT,
  CONSTRAINT "Round_pkey" PRIMARY KEY ("task", "number"),
  CONSTRAINT "Round_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "Round_number_check" CHECK ("number" >= 1),
  CONSTRAINT "Round_status_check" CHECK ("status" IN (
    'selecting', 'training', 'enrolling', 'sharing', 'masking', 'consistency', 'unmasking', 'aggregating',
    'published', 'failed', 'cancelled'
  )),
  CONSTRAINT "Round_counts_check" CHECK ("survivors" >= 0 AND "dropped" >= 0 AND "cohort" >= 0)
);

-- Journal
CREATE TABLE "JournalEntry" (
  "task" TEXT NOT NULL,
  "sequence" BIGINT NOT NULL,
  "round" INTEGER NOT NULL,
  "kind" TEXT NOT NULL,
  "payload" BYTEA NOT NULL,
  "time" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "JournalEntry_pkey" PRIMARY KEY ("task", "sequence"),
  CONSTRAINT "JournalEntry_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX "JournalEntry_task_round_idx" ON "JournalEntry" ("task", "round");

-- Privacy ledger. "previous" is unique, so two entries can never continue the same one.
CREATE TABLE "LedgerEntry" (
  "index" INTEGER NOT NULL,
  "previous" TEXT NOT NULL,
  "time" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "hash" TEXT NOT NULL,
  "signature" TEXT NOT NULL,
  CONSTRAINT "LedgerEntry_pkey" PRIMARY KEY ("index"),
  CONSTRAINT "LedgerEntry_index_check" CHECK ("index" >= 0)
);
CREATE UNIQUE INDEX "LedgerEntry_previous_key" ON "LedgerEntry" ("previous");
CREATE UNIQUE INDEX "LedgerEntry_hash_key" ON "LedgerEntry" ("hash");

CREATE FUNCTION "LedgerEntry_refuse"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'LedgerEntry is append-only' USING ERRCODE = 'restrict_violation';
END;
$$;
CREATE TRIGGER "LedgerEntry_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "LedgerEntry"
  FOR EACH STATEMENT EXECUTE FUNCTION "LedgerEntry_refuse"();

-- Devices
CREATE TABLE "Device" (
  "publicKey" TEXT NOT NULL,
  "task" TEXT,
  "firstSeen" TIMESTAMP(3) NOT NULL,
  "lastSeen" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "Device_pkey" PRIMARY KEY ("publicKey"),
  CONSTRAINT "Device_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT "Device_publicKey_check" CHECK ("publicKey" ~ '^[0-9a-f]{64}$')
);

CREATE TABLE "Participation" (
  "task" TEXT NOT NULL,
  "device" TEXT NOT NULL,
  "round" INTEGER NOT NULL,
  CONSTRAINT "Participation_pkey" PRIMARY KEY ("task", "device", "round"),
  CONSTRAINT "Participation_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "Participation_device_fkey" FOREIGN KEY ("device") REFERENCES "Device" ("publicKey") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX "Participation_device_idx" ON "Participation" ("device");

-- Server optimiser
CREATE TABLE "OptimiserState" (
  "task" TEXT NOT NULL,
  "round" INTEGER NOT NULL,
  "blobHash" TEXT NOT NULL,
  CONSTRAINT "OptimiserState_pkey" PRIMARY KEY ("task"),
  CONSTRAINT "OptimiserState_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "OptimiserState_blobHash_check" CHECK ("blobHash" ~ '^[0-9a-f]{64}$')
);
