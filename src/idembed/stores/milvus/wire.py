"""Records in Milvus' protocol, column by column: pymilvus writes and reads row by row, which takes ten times as long.

Of the protocol, what has not changed since Milvus 2.0: a request has a list of values for each field, and the numbers
of all vectors in one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
import numpy as np
from pymilvus import DataType, MilvusException
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

from idembed.stores.milvus.place import Place
from idembed.stores.records import Vector

__all__ = ["TIMEOUT", "Answer", "Columns", "Wire"]

Columns = Mapping[str, Sequence[Any] | Vector]
"""The values of each field: str, int, bool, JSON as bytes, or vectors as float32 [n, dim]."""
TIMEOUT: Final = 120.0
"""Seconds for one request."""
_SCALARS: Final = {
    str: (DataType.VARCHAR, "string_data"),
    bytes: (DataType.JSON, "json_data"),
    bool: (DataType.BOOL, "bool_data"),
    int: (DataType.INT64, "long_data"),
}
_EMPTY_COLLECTION: Final = 26
_FIRST_FIELD: Final = b"\x0a"
"""Field 1, of a length that follows: the numbers of a FloatArray, packed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``count`` rows, of which each column has as many values; ``size``: its bytes."""

    columns: Columns
    count: int
    size: int


class Wire:
    """A connection for records. Its errors are those of gRPC and MilvusException."""

    def __init__(self, place: Place, options: Mapping[str, Any]) -> None:
        address = place.address.partition("://")[2]
        if place.address.startswith("https:"):
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(), [*options.items()])
        else:
            self._channel = grpc.insecure_channel(address, [*options.items()])
        self._stub = milvus_pb2_grpc.MilvusServiceStub(self._channel)
        self._database = place.database
        self._metadata = [("dbname", place.database)]
        if place.token:
            self._metadata.append(("authorization", base64.b64encode(place.token.encode()).decode()))

    def close(self) -> None:
        self._channel.close()

    def upsert(self, collection: str, columns: Columns) -> None:
        """Write rows, each replacing the one of its primary key."""
        count = len(next(iter(columns.values())))
        request = milvus_pb2.UpsertRequest(db_name=self._database, collection_name=collection, num_rows=count)
        for name, values in columns.items():
            _put(request.fields_data.add(), name, values)
        self._check(self._stub.Upsert(request, timeout=TIMEOUT, metadata=self._metadata))

    def query(self, collection: str, condition: str, names: Sequence[str], **options: object) -> Answer:
        """The columns of the rows for which ``condition`` holds."""
        pairs = [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in options.items()]
        request = milvus_pb2.QueryRequest(
            db_name=self._database,
            collection_name=collection,
            expr=condition,
            output_fields=names,
            query_params=pairs,
            use_default_consistency=True,
        )
        answer = self._stub.Query(request, timeout=TIMEOUT, metadata=self._metadata)
        if _EMPTY_COLLECTION in (answer.status.code, answer.status.error_code):
            return Answer({name: [] for name in names}, 0, 0)
        self._check(answer)
        columns = {data.field_name: _values(data) for data in answer.fields_data}
        return Answer(columns, len(columns[names[0]]), answer.ByteSize())

    def _check(self, answer: Any) -> None:
        if answer.status.code or answer.status.error_code:
            raise MilvusException.from_status(answer.status)


def _put(data: Any, name: str, values: Sequence[Any] | Vector) -> None:
    data.field_name = name
    if isinstance(values, np.ndarray):
        data.type = DataType.FLOAT_VECTOR
        data.vectors.dim = values.shape[1]
        raw = values.astype("<f4", copy=False).tobytes()
        data.vectors.float_vector.MergeFromString(_FIRST_FIELD + _length(len(raw)) + raw)
    else:
        data.type, kind = _SCALARS[type(values[0])]
        getattr(data.scalars, kind).data.extend(values)


def _values(data: Any) -> Sequence[Any] | Vector:
    if data.HasField("vectors"):
        raw = data.vectors.float_vector.SerializeToString()
        size = 4 * len(data.vectors.float_vector.data)
        return np.frombuffer(raw, "<f4", offset=len(raw) - size).astype(np.float32).reshape(-1, data.vectors.dim)
    kind = data.scalars.WhichOneof("data")
    return list(getattr(data.scalars, kind).data) if kind else []


def _length(size: int) -> bytes:
    """As protobuf writes a number: 7 bits a byte, the last first."""
    written = bytearray()
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size])
