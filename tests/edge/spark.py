"""The Spark job at small size: its vectors are those of one process. spark.py COMPONENT IMAGE"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

examples = Path(__file__).resolve().parents[2] / "examples"
sys.path[:0] = [str(examples / "edge-spark"), str(examples / "edge-python")]

from job import SCHEMA, embed_documents, embed_texts  # noqa: E402
from nomul_edge import Nomul  # noqa: E402

component, image = sys.argv[1:]
spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]")
    .config("spark.ui.enabled", "false")
    .config("spark.executorEnv.PYTHONPATH", ":".join(sys.path))
    .getOrCreate()
)
rows = [(str(i), json.dumps({"name": f"n{i}", "size": i % 7, "tags": ["a", f"t{i % 3}"]})) for i in range(60)]
frame = spark.createDataFrame(rows, "id string, document string").repartition(4)
found = {row.id: bytes(row.vector) for row in embed_documents(frame, component).collect()}
nomul = Nomul(component)
space = nomul.call("documents", "[static]space.open", SCHEMA, 0)
expected = {key: nomul.call("documents", "[method]space.encode-signs", space, text) for key, text in rows}
assert found == expected, "documents"

texts = [(str(i), f"House number {i}") for i in range(8)]
frame = spark.createDataFrame(texts, "id string, text string").repartition(4)
vectors = {row.id: row.vector for row in embed_texts(frame, image).collect()}
model = Nomul(image).resident_model()
assert vectors == {key: model.embed(text) for key, text in texts}, "texts"
spark.stop()
print(len(found), "documents and", len(vectors), "texts")
