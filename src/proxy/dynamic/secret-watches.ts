import type {
  SdsSecretConfigJson,
  SecretJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { isFile, secretConfigsIn } from "../tls/secret-configs.ts";
import type { SecretFiles } from "../tls/secret-files.ts";
import { secretKey } from "../tls/secrets.ts";
import type { NamedResources } from "./named-resources.ts";
import { type Waiter, type Waits, waitForAll } from "./waits.ts";

/** The secrets that a listener or a cluster waits for. */
export class SecretWatches {
  readonly #secrets: NamedResources<SecretJson>;
  readonly #files: SecretFiles;

  constructor(secrets: NamedResources<SecretJson>, files: SecretFiles) {
    this.#secrets = secrets;
    this.#files = files;
  }

  /** `onReady` is called once, after `start`, when all are there or do not come. */
  watchAll(config: object, onReady: () => void): Waits {
    const wanted = new Map<string, SdsSecretConfigJson>();
    for (const item of secretConfigsIn(config)) wanted.set(secretKey(item), item);
    const watches = [...wanted.values()].map((item) => (waiter: Waiter) => {
      const { sdsConfig = {}, name = "" } = item;
      if (!isFile(sdsConfig)) return this.#secrets.watch(sdsConfig, name, waiter);
      void this.#files.add(item).then(() => waiter.onResource());
      return () => {};
    });
    return waitForAll(watches, onReady);
  }
}
