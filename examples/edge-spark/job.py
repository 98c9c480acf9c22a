"""Embeds JSON documents, and texts if there is an image with a model, on all executors of a Spark cluster.

    spark-submit --py-files nomul_edge.py --files nomul.component.wasm job.py nomul.component.wasm DOCUMENTS.jsonl OUT.parquet

Each task holds one instance of the component, for all of its rows. The same bytes are computed wherever a row lands: the vectors
are those of one process, bit for bit.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Callable, Iterator

import pyarrow
from pyspark import SparkFiles
from pyspark.sql import DataFrame, SparkSession

# The dimension and the seed decide the vectors; everything else of a schema may be left to its defaults.
SCHEMA = json.dumps({"version": 1, "dimension": 2048, "seed": 1})

Batches = Iterator[pyarrow.RecordBatch]


def found(component: str) -> str:
    """The component's place on an executor: where the driver named it, or where Spark has put it."""
    return component if Path(component).exists() else SparkFiles.get(Path(component).name)


def documents(component: str, schema: str = SCHEMA) -> Callable[[Batches], Batches]:
    """From (id: string, document: string) to (id: string, vector: binary), the signs of the vector, eight a byte."""

    def work(batches: Batches) -> Batches:
        from nomul_edge import Nomul

        nomul = Nomul(found(component))
        space = nomul.call("documents", "[static]space.open", schema, 0)
        for batch in batches:
            texts = batch.column("document").to_pylist()
            vectors = [nomul.call("documents", "[method]space.encode-signs", space, text) for text in texts]
            yield pyarrow.RecordBatch.from_arrays(
                [batch.column("id"), pyarrow.array(vectors, pyarrow.binary())], ["id", "vector"]
            )

    return work


def texts(image: str) -> Callable[[Batches], Batches]:
    """From (id: string, text: string) to (id: string, vector: array<float>), with the model that the image brings along."""

    def work(batches: Batches) -> Batches:
        from nomul_edge import Nomul

        model = Nomul(found(image)).resident_model()
        for batch in batches:
            vectors = [model.embed(text) for text in batch.column("text").to_pylist()]
            yield pyarrow.RecordBatch.from_arrays(
                [batch.column("id"), pyarrow.array(vectors, pyarrow.list_(pyarrow.float32()))], ["id", "vector"]
            )

    return work


def embed_documents(frame: DataFrame, component: str) -> DataFrame:
    return frame.mapInArrow(documents(component), "id string, vector binary")


def embed_texts(frame: DataFrame, image: str) -> DataFrame:
    return frame.mapInArrow(texts(image), "id string, vector array<float>")


def main(component: str, source: str, out: str) -> None:
    spark = SparkSession.builder.appName("nomul").getOrCreate()
    lines = spark.sparkContext.textFile(source).zipWithIndex().map(lambda line: (str(line[1]), line[0]))
    embed_documents(lines.toDF("id string, document string"), component).write.mode("overwrite").parquet(out)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
