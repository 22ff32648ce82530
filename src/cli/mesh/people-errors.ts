import { ProgramNotStarted } from "#agent/child-process.ts";
import { PortTaken } from "#agent/port-claims.ts";
import { ProgramNotHealthy } from "#agent/program-keeper.ts";
import { SidecarNotReady } from "#agent/sidecar.ts";
import { ConfigFileError } from "#config/config-file-error.ts";
import { ControlPlaneError } from "../control-plane.ts";
import { MeshNotStarted } from "./mesh.ts";
import { FolderInUse, FolderNotWritable } from "./state-folder.ts";

const kinds = [
  ConfigFileError,
  ControlPlaneError,
  FolderInUse,
  FolderNotWritable,
  MeshNotStarted,
  PortTaken,
  ProgramNotHealthy,
  ProgramNotStarted,
  SidecarNotReady,
];

/** What a person can do something about; all else is a bug and is shown as one. */
export function isForPeople(error: unknown): error is Error {
  return kinds.some((kind) => error instanceof kind);
}
