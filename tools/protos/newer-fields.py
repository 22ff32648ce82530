"""Writes newer-fields.json: what Envoy's v3 API has gained since the .proto files that npm carries.

    python3 -m venv V && V/bin/pip install protobuf && V/bin/pip install --no-deps xds-protos==1.85.0
    npm run generate -- --shipped-image OLD.binpb
    V/bin/python tools/protos/newer-fields.py OLD.binpb

Python, because the newer descriptors exist as Python modules only. Run it when either package changes; it is no part
of the build. Taken are the fields, messages and enum values that files on both sides have gained and the whole files of
NEW_FILES, except where a type would be missing.
"""
import glob
import importlib
import json
import os
import sys
import warnings

from google.protobuf import descriptor_pb2

warnings.filterwarnings("ignore")
# Extensions and types that a data plane meets; what is not here is refused as unknown.
NEW_FILES = {
    f"envoy/{name}.proto"
    for name in (
        "config/core/v3/cel",
        "extensions/clusters/common/dns/v3/dns",
        "extensions/clusters/dns/v3/dns_cluster",
        "extensions/filters/http/api_key_auth/v3/api_key_auth",
        "extensions/filters/http/transform/v3/transform",
        "extensions/http/stateful_session/envelope/v3/envelope",
        "extensions/load_balancing_policies/override_host/v3/override_host",
        "extensions/local_address_selectors/filter_state_override/v3/config",
        "extensions/matching/common_inputs/transport_socket/v3/transport_socket_inputs",
        "extensions/matching/input_matchers/metadata/v3/metadata",
        "extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated",
        "extensions/router/cluster_specifiers/matcher/v3/matcher",
        "type/matcher/v3/address",
    )
}
# What Envoy 1.40 knows (the descriptors inside its binary say so) and xds-protos 1.85.0 does not.
BEYOND = {
    "envoy/config/cluster/v3/outlier_detection.proto": {
        "imports": [],
        "insert": {
            "envoy.config.cluster.v3.OutlierDetection": [".google.protobuf.BoolValue detect_degraded_hosts = 26;"],
        },
    },
}
SCALARS = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    12: "bytes", 13: "uint32", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64",
}


def walk(scope, message, file, table):
    name = f"{scope}.{message.name}"
    table["messages"][name] = message
    table["files"][name] = file
    for nested in message.nested_type:
        walk(name, nested, file, table)
    for enum in message.enum_type:
        table["enums"][f"{name}.{enum.name}"] = enum
        table["files"][f"{name}.{enum.name}"] = file


def index(files):
    table = {"messages": {}, "enums": {}, "files": {}}
    for file in files:
        for message in file.message_type:
            walk(file.package, message, file.name, table)
        for enum in file.enum_type:
            table["enums"][f"{file.package}.{enum.name}"] = enum
            table["files"][f"{file.package}.{enum.name}"] = file.name
    return table


def newer_files():
    folder = next(path for path in sys.path if os.path.isdir(os.path.join(path, "envoy", "config")))
    for top in ("envoy", "xds"):
        for path in sorted(glob.glob(f"{folder}/{top}/**/v3/*_pb2.py", recursive=True)):
            module = importlib.import_module(os.path.relpath(path, folder)[:-3].replace("/", "."))
            proto = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(proto)
            yield proto


def types_of(message):
    for field in message.field:
        if field.type_name:
            yield field.type_name[1:]
    for nested in message.nested_type:
        yield from types_of(nested)


def field_text(field, owner):
    if field.type in (11, 14):
        entry = next((n for n in owner.nested_type if n.options.map_entry and field.type_name.endswith("." + n.name)), None)
        if entry is not None:
            key, value = (f.type_name or SCALARS[f.type] for f in entry.field)
            return f"map<{key}, {value}> {field.name} = {field.number};"
        kind = field.type_name
    else:
        kind = SCALARS[field.type]
    label = "repeated " if field.label == 3 else "optional " if field.proto3_optional else ""
    return f"{label}{kind} {field.name} = {field.number};"


def enum_text(enum):
    return f"enum {enum.name} {{ {' '.join(f'{v.name} = {v.number};' for v in enum.value)} }}"


def message_text(message):
    lines = [enum_text(enum) for enum in message.enum_type]
    lines += [message_text(nested) for nested in message.nested_type if not nested.options.map_entry]
    for position, oneof in enumerate(message.oneof_decl):
        members = [f for f in message.field if f.HasField("oneof_index") and f.oneof_index == position]
        if not any(f.proto3_optional for f in members):
            lines.append(f"oneof {oneof.name} {{ {' '.join(field_text(f, message) for f in members)} }}")
    lines += [field_text(f, message) for f in message.field if not f.HasField("oneof_index") or f.proto3_optional]
    return f"message {message.name} {{ {' '.join(lines)} }}"


def available(old, new):
    """Types that exist after the merge: the old ones, and new ones in old files that use nothing else."""
    known = set(old["files"])
    files = set(old["files"].values()) | NEW_FILES
    candidates = {name for name in new["files"] if name not in known and new["files"][name] in files}
    while True:
        bad = {
            name
            for name in candidates
            if name in new["messages"]
            and any(t not in known and t not in candidates and not t.startswith("google.protobuf.") for t in types_of(new["messages"][name]))
        }
        if not bad:
            return known | candidates, candidates
        candidates -= bad


def additions(old, new):
    known, added = available(old, new)
    result = {}

    def add(name, place, text, types=()):
        file = new["files"][name]
        entry = result.setdefault(file, {"imports": [], "insert": {}})
        entry["insert"].setdefault(place, []).append(text)
        for kind in types:
            target = new["files"].get(kind) or old["files"].get(kind) or f"google/protobuf/{WELL_KNOWN[kind]}.proto"
            if target != file and target not in entry["imports"]:
                entry["imports"].append(target)

    for name in sorted(added):
        parent = name.rpartition(".")[0]
        if parent not in new["messages"]:
            result.setdefault(new["files"][name], {"package": parent, "imports": [], "insert": {}})
        if parent in added or name in new["messages"] and new["messages"][name].options.map_entry:
            continue
        place = parent if parent in old["messages"] else ""
        if name in new["messages"]:
            add(name, place, message_text(new["messages"][name]), types_of(new["messages"][name]))
        else:
            add(name, place, enum_text(new["enums"][name]))
    existing = set(old["files"].values())
    for file, entry in result.items():
        if file in existing:
            entry.pop("package", None)
    for name, message in sorted(new["messages"].items()):
        before = old["messages"].get(name)
        if before is None or message.options.map_entry:
            continue
        names, numbers = {f.name for f in before.field}, {f.number for f in before.field}
        oneofs = {o.name for o in before.oneof_decl}
        for field in message.field:
            if field.name in names or field.number in numbers:
                continue
            entry = next((n for n in message.nested_type if n.options.map_entry and field.type_name.endswith(f"{name}.{n.name}")), None)
            types = list(types_of(entry)) if entry is not None else [field.type_name[1:]] if field.type_name else []
            if any(t not in known and not t.startswith("google.protobuf.") for t in types):
                print("left out:", name, field.name, file=sys.stderr)
                continue
            place = name
            if field.HasField("oneof_index") and not field.proto3_optional:
                oneof = message.oneof_decl[field.oneof_index].name
                place = f"{name}#{oneof}" if oneof in oneofs else name
            add(name, place, field_text(field, message), types)
    for name, enum in sorted(new["enums"].items()):
        if name in old["enums"]:
            have = {v.name for v in old["enums"][name].value} | {v.number for v in old["enums"][name].value}
            for value in enum.value:
                if value.name not in have and value.number not in have:
                    add(name, name, f"{value.name} = {value.number};")
    return result


WELL_KNOWN = {
    "google.protobuf.Any": "any", "google.protobuf.Duration": "duration", "google.protobuf.Empty": "empty",
    "google.protobuf.Struct": "struct", "google.protobuf.Value": "struct", "google.protobuf.ListValue": "struct",
    "google.protobuf.Timestamp": "timestamp", "google.protobuf.FieldMask": "field_mask",
    **{f"google.protobuf.{n}Value": "wrappers" for n in ("Bool", "String", "Bytes", "Double", "Float", "Int32", "Int64", "UInt32", "UInt64")},
}

if __name__ == "__main__":
    older = descriptor_pb2.FileDescriptorSet()
    with open(sys.argv[1], "rb") as image:
        older.ParseFromString(image.read())
    found = {**additions(index(older.file), index(newer_files())), **BEYOND}
    path = os.path.join(os.path.dirname(__file__), "newer-fields.json")
    with open(path, "w", encoding="utf8") as output:
        output.write(json.dumps(found, indent=2, sort_keys=True) + "\n")
