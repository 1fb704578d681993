"""A pipeline for Hayhooks: embeds the query and finds the nearest passages."""

import json
import os

from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from hayhooks import BasePipelineWrapper
from haystack import Document, Pipeline
from haystack_integrations.components.embedders.fastembed import FastembedDocumentEmbedder, FastembedTextEmbedder
from haystack_integrations.components.retrievers.faiss import FAISSEmbeddingRetriever
from haystack_integrations.document_stores.faiss import FAISSDocumentStore

DIMENSION = 384
EMBEDDER = {
    "model": "multilingual-e5-small",
    "model_kwargs": {"specific_model_path": os.environ["MODEL"]},
    "progress_bar": False,
}


class PipelineWrapper(BasePipelineWrapper):
    def setup(self):
        TextEmbedding.add_custom_model(
            EMBEDDER["model"],
            pooling=PoolingType.MEAN,
            normalization=True,
            # There is nothing to fetch: the path is given above.
            sources=ModelSource(url="file:"),
            dim=DIMENSION,
            model_file="model.onnx",
        )
        with open(os.environ["PASSAGES"], encoding="utf-8") as lines:
            passages = (json.loads(line) for line in lines)
            documents = [Document(row["id"], row["text"], embedding=row.get("vector")) for row in passages]
        if documents[0].embedding is None:
            # The model has no mask for the padding that a batch of several texts needs.
            embedder = FastembedDocumentEmbedder(**EMBEDDER, prefix="passage: ", batch_size=1)
            documents = embedder.run(documents)["documents"]
        store = FAISSDocumentStore(embedding_dim=DIMENSION)
        store.write_documents(documents)
        self.pipeline = Pipeline()
        self.pipeline.add_component("embedder", FastembedTextEmbedder(**EMBEDDER, prefix="query: "))
        self.pipeline.add_component("retriever", FAISSEmbeddingRetriever(document_store=store, top_k=10))
        self.pipeline.connect("embedder.embedding", "retriever.query_embedding")
        self.pipeline.warm_up()

    def run_api(self, query: str) -> list[dict]:
        found = self.pipeline.run({"embedder": {"text": query}})["retriever"]["documents"]
        return [{"id": row.id, "text": row.content, "score": row.score} for row in found]
