"""Run folders: the stages' artifacts and the manifest of what they were made from."""

from host.run.folder import RunFolder, Stage, code_sha256, read_json, sha256_file, write_json

__all__ = ["RunFolder", "Stage", "code_sha256", "read_json", "sha256_file", "write_json"]
