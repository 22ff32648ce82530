/** Where objects of configuration can come from. */
import { FolderStore, type FolderStoreOptions } from "./stores/folder/folder-store.ts";
import type { ConfigStore } from "./stores/store.ts";

/** Files and folders of YAML, read and watched until the store is closed. Throws when one is not there. */
export function openFolders(options: FolderStoreOptions): ConfigStore {
  const store = new FolderStore(options);
  try {
    store.start();
  } catch (error) {
    store.close();
    throw error;
  }
  return store;
}
