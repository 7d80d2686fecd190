"""Makes schema-3.parquet from schema-1.parquet: what a later version may write. Run once, with pyarrow."""

import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.path[0]
table = pq.read_table(f"{folder}/schema-1.parquet", read_dictionary=[])
plain = pa.schema([pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema])
table = table.cast(plain)


def as_bytes(text):
    try:
        return uuid.UUID(text).bytes if text and str(uuid.UUID(text)) == text else None
    except ValueError:
        return None


texts = table.column("uuid").to_pylist()
at = table.schema.get_field_index("uuid")
table = table.set_column(at, "uuid", pa.array([as_bytes(t) for t in texts], pa.binary(16)))
table = table.add_column(at + 1, "uuid_text", pa.array([None if as_bytes(t) else t for t in texts], pa.string()))
table = table.append_column("moon_phase", pa.array(["waxing"] * table.num_rows))
table = table.replace_schema_metadata({"lookback.schema": "3", "lookback.new": "{}"})
pq.write_table(table, f"{folder}/schema-3.parquet", compression="zstd")
