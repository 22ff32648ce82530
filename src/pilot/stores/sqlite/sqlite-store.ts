import { chmodSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { ConfigObject } from "#model/object.ts";
import type { ObjectChange, Revision } from "../store.ts";
import { type Contents, WritableStore, type WritableStoreOptions } from "../writable-store.ts";
import { type SavedObject, savedObject, TextReader } from "./saved-object.ts";

export interface SqliteStoreOptions extends WritableStoreOptions {
  readonly file: string;
  /** Older ones are forgotten, objects never; 10,000 by default. */
  readonly revisionsMax?: number;
}

const revisionsMaxDefault = 10_000;
/** Revisions between two looks for texts that nothing comes from any more. */
const sweepEvery = 100;
const sweepTexts = `
  DELETE FROM texts WHERE id NOT IN (
    SELECT object ->> '$.text' FROM objects WHERE object ->> '$.text' IS NOT NULL
    UNION SELECT before ->> '$.text' FROM changes WHERE before ->> '$.text' IS NOT NULL
    UNION SELECT after ->> '$.text' FROM changes WHERE after ->> '$.text' IS NOT NULL
  )
`;
/** The layout below; a file of a later Heddle is refused. */
const schemaVersion = 1;

const schema = `
  CREATE TABLE texts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL);
  CREATE TABLE objects (key TEXT PRIMARY KEY, object TEXT NOT NULL);
  CREATE TABLE revisions (number INTEGER PRIMARY KEY, author TEXT NOT NULL, message TEXT NOT NULL, time_ms INTEGER NOT NULL);
  CREATE TABLE changes (revision INTEGER NOT NULL, key TEXT NOT NULL, before TEXT, after TEXT, PRIMARY KEY (revision, key));
`;

/** A state file that cannot be used, and why. */
export class StateFileError extends Error {}

/** Objects and their history in one file. A change is in the file before anybody hears of it. */
export class SqliteStore extends WritableStore {
  readonly name = "sqlite";
  readonly #options: SqliteStoreOptions;
  readonly #database: DatabaseSync;
  readonly #texts: TextReader;

  /** Throws StateFileError. */
  constructor(options: SqliteStoreOptions) {
    const database = open(options.file);
    const texts = new TextReader((id) => textIn(database, id));
    super(contentsOf(database, texts), options);
    this.#options = options;
    this.#database = database;
    this.#texts = texts;
  }

  protected keep({ number, author, message, timeMs, changes }: Revision): void {
    const database = this.#database;
    database.exec("BEGIN IMMEDIATE");
    try {
      database
        .prepare("INSERT INTO revisions (number, author, message, time_ms) VALUES (?, ?, ?, ?)")
        .run(number, author, message, Math.floor(timeMs));
      const insert = database.prepare(
        "INSERT INTO changes (revision, key, before, after) VALUES (?, ?, ?, ?)",
      );
      const set = database.prepare(
        "INSERT INTO objects (key, object) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET object = excluded.object",
      );
      const remove = database.prepare("DELETE FROM objects WHERE key = ?");
      for (const { key, before, after } of changes) {
        const saved = after && JSON.stringify(this.#saved(after));
        insert.run(
          number,
          key,
          (before && JSON.stringify(this.#saved(before))) ?? null,
          saved ?? null,
        );
        if (saved === undefined) remove.run(key);
        else set.run(key, saved);
      }
      this.#forgetOld(number);
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }

  #saved(object: ConfigObject): SavedObject {
    return savedObject(object, (name, text) => {
      const known = this.#database
        .prepare("SELECT id FROM texts WHERE name = ? AND text = ?")
        .get(name, text);
      if (known !== undefined) return Number(known["id"]);
      const insert = this.#database.prepare("INSERT INTO texts (name, text) VALUES (?, ?)");
      return Number(insert.run(name, text).lastInsertRowid);
    });
  }

  #forgetOld(newest: number): void {
    const oldest = newest - (this.#options.revisionsMax ?? revisionsMaxDefault);
    if (oldest <= 0) return;
    this.#database.prepare("DELETE FROM changes WHERE revision <= ?").run(oldest);
    this.#database.prepare("DELETE FROM revisions WHERE number <= ?").run(oldest);
    if (newest % sweepEvery === 0) this.#database.exec(sweepTexts);
  }

  history(limit: number): readonly Revision[] {
    const rows = this.#database
      .prepare("SELECT * FROM revisions ORDER BY number DESC LIMIT ?")
      .all(limit);
    return rows.map((row) => this.#revisionOf(row));
  }

  revisionAt(number: number): Revision | undefined {
    const row = this.#database.prepare("SELECT * FROM revisions WHERE number = ?").get(number);
    return row && this.#revisionOf(row);
  }

  #revisionOf(row: Readonly<Record<string, unknown>>): Revision {
    const number = Number(row["number"]);
    const changes = this.#database
      .prepare("SELECT key, before, after FROM changes WHERE revision = ? ORDER BY rowid")
      .all(number)
      .map(
        ({ key, before, after }): ObjectChange => ({
          key: String(key),
          before: typeof before === "string" ? this.#texts.restore(before) : undefined,
          after: typeof after === "string" ? this.#texts.restore(after) : undefined,
        }),
      );
    const { author, message, time_ms: timeMs } = row;
    return {
      number,
      author: String(author),
      message: String(message),
      timeMs: Number(timeMs),
      changes,
    };
  }

  override close(): void {
    super.close();
    this.#database.close();
  }
}

function contentsOf(database: DatabaseSync, texts: TextReader): Contents {
  const rows = database.prepare("SELECT object FROM objects ORDER BY rowid").all();
  const newest = database.prepare("SELECT max(number) AS number FROM revisions").get();
  // Proof: the column is text, and NOT NULL.
  const objects = rows.map(({ object }): ConfigObject => texts.restore(object as string));
  return { objects, revision: Number(newest?.["number"] ?? 0) };
}

function textIn(
  database: DatabaseSync,
  id: number,
): { readonly name: string; readonly text: string } | undefined {
  const row = database.prepare("SELECT name, text FROM texts WHERE id = ?").get(id);
  // Proof: both columns are text, and NOT NULL.
  return row && { name: row["name"] as string, text: row["text"] as string };
}

function open(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file);
    // Secrets may be in it.
    chmodSync(file, 0o600);
    database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000",
    );
    const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > schemaVersion)
      throw new StateFileError(`was written by a later Heddle (layout ${version})`);
    if (version === 0)
      database.exec(`BEGIN; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
    return database;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StateFileError(`the state file ${file} cannot be used: ${reason}`, { cause: error });
  }
}
