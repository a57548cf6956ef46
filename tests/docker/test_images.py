"""The images do what learners, the probe and the labs rely on, without network and write access."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker
import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from grader.images import current, ensure
from grader.images.build import _remove_stages
from grader.images.catalog import recipes

pytestmark = pytest.mark.docker

HARDENED: dict[str, Any] = {
    "network_mode": "none",
    "read_only": True,
    "tmpfs": {"/tmp": "rw,nosuid,nodev,size=128m,mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "user": "10001:10001",
    "pids_limit": 128,
    "mem_limit": "900m",
    "memswap_limit": "900m",
}
EMBED = """
import os, numpy as np, onnxruntime as ort
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(os.environ["MINILM_TOKENIZER"])
session = ort.InferenceSession(os.environ["MINILM_PATH"])
def embed(texts):
    found = tokenizer.encode_batch(texts)
    ids = np.array([one.ids for one in found], np.int64)
    mask = np.array([one.attention_mask for one in found], np.int64)
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    out = session.run(None, {i.name: feed[i.name] for i in session.get_inputs()})[0]
    mean = (out * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return ids.shape[1], mean / np.linalg.norm(mean, axis=1, keepdims=True)
length, v = embed(["a dog plays in the garden", "a puppy runs outside", "quarterly tax report"])
assert v.shape == (3, 384) and length < 20, (v.shape, length)
assert v[0] @ v[1] > v[0] @ v[2] + 0.2, v @ v.T
print("embedded")
"""
GENERATE = """
import os, numpy as np
from llama_cpp_py_sync import _cffi_bindings as C
ffi, lib = C.get_ffi(), C.get_lib()
lib.llama_backend_init()
model = lib.llama_model_load_from_file(os.environ["MODEL_PATH"].encode(), lib.llama_model_default_params())
vocab = lib.llama_model_get_vocab(model)
prompt = b"<|im_start|>user\\nWhat is the capital of France?<|im_end|>\\n<|im_start|>assistant\\n"
tokens = ffi.new("llama_token[]", 200)
n = lib.llama_tokenize(vocab, prompt, len(prompt), tokens, 200, True, True)
params = lib.llama_context_default_params()
params.n_ctx, params.n_threads = 256, 1
context = lib.llama_init_from_model(model, params)
batch, out = lib.llama_batch_get_one(tokens, n), b""
for _ in range(7):
    assert lib.llama_decode(context, batch) == 0
    size = lib.llama_vocab_n_tokens(vocab) * 4
    logits = np.frombuffer(ffi.buffer(lib.llama_get_logits_ith(context, -1), size), np.float32)
    token = ffi.new("llama_token[]", [int(logits.argmax())])
    piece = ffi.new("char[]", 64)
    out += ffi.buffer(piece, lib.llama_token_to_piece(vocab, token[0], piece, 64, 0, True))[:]
    batch = lib.llama_batch_get_one(token, 1)
assert b"Paris" in out, out
print("generated")
"""
QUERY = """
import time, psycopg
ok = "host=127.0.0.7 port=6543 user=shop dbname=goods password=it\\\\'s"
for _ in range(200):
    try:
        connection = psycopg.connect(ok, autocommit=True)
        break
    except psycopg.OperationalError as error:
        time.sleep(0.05)
else:
    raise error
connection.execute("create extension if not exists vector")
connection.execute("create table if not exists kept (v vector(2))")
connection.execute("insert into kept values ('[1,2]')")
print("rows", connection.execute("select count(*) from kept where v <-> '[1,3]' = 1").fetchone()[0])
for user, word in (("shop", "wrong"), ("postgres", "")):
    try:
        psycopg.connect(f"host=127.0.0.1 port=6543 user={user} dbname=goods password='{word}'")
    except psycopg.OperationalError:
        continue
    raise SystemExit(f"{user} came in without its password")
"""
PROBE = """
import grader.probe, grader.lab.models, grader.checks
import fastapi, httptools, ir_measures, jsonschema, pydantic, uvloop, yaml
from ir_measures import nDCG, Qrel, ScoredDoc
found = ir_measures.calc_aggregate([nDCG@10], [Qrel("q", "d", 1)], [ScoredDoc("q", "d", 1.0)])
assert found[nDCG@10] == 1.0
print("measured", grader.probe.__file__)
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    ensure(client, print)
    yield client
    client.close()


def run(engine: docker.DockerClient, image: str, code: str, **options: Any) -> str:
    """Run Python code in the image and return its standard output."""
    made = engine.containers.create(image, ["python3", "-c", code], **{**HARDENED, **options})
    try:
        made.start()
        code = made.wait(timeout=120)["StatusCode"]
        errors = made.logs(stdout=False, stderr=True).decode()[-3000:]
        assert code == 0, errors
        return str(made.logs(stdout=True, stderr=False).decode())
    finally:
        made.remove(force=True, v=True)


def test_all_images_are_current_and_a_second_look_builds_nothing(
    engine: docker.DockerClient,
) -> None:
    lines: list[str] = []
    began = time.monotonic()
    images = ensure(engine, lines.append)
    assert set(images) == {name for name, recipe in recipes().items() if not recipe.on_demand}
    assert images.items() <= current(engine).items()
    assert lines == []
    assert time.monotonic() - began < 2


def test_base_has_one_unprivileged_user_and_python_313(engine: docker.DockerClient) -> None:
    code = (
        "import os, pwd, sys; print(sys.version_info[:2], pwd.getpwuid(os.getuid()).pw_name, "
        "os.environ['HOME'])"
    )
    assert run(engine, "seatrial/base:1", code).split("\n")[0] == "(3, 13) app /tmp"


def test_runtime_embeds_with_minilm(engine: docker.DockerClient) -> None:
    assert "embedded" in run(engine, "seatrial/runtime:1", EMBED)


def test_runtime_generates_with_smollm2(engine: docker.DockerClient) -> None:
    assert "generated" in run(engine, "seatrial/runtime:1", GENERATE)


def test_probe_has_the_grader_and_its_packages(engine: docker.DockerClient) -> None:
    assert "/opt/seatrial/grader/probe" in run(engine, "seatrial/probe:1", PROBE)


def test_learner_images_know_nothing_of_the_grader_or_of_the_host(
    engine: docker.DockerClient,
) -> None:
    code = (
        "import importlib.util as u, os; print(u.find_spec('grader'), u.find_spec('ir_measures'), "
        "os.path.exists('/build'), sorted(k for k in os.environ if 'PIP' in k or 'PROXY' in "
        "k.upper() or 'SSL' in k))"
    )
    assert run(engine, "seatrial/runtime:1", code).strip() == "None None False []"
    for line in engine.images.get("seatrial/runtime:1").history():
        assert "PIP_INDEX_URL=" not in line["CreatedBy"]


def test_nothing_in_an_image_is_writable_for_its_user(engine: docker.DockerClient) -> None:
    code = (
        "import os; print([p for p in ('/opt/seatrial', '/usr', '/etc', '/') if os.access(p, "
        "os.W_OK)])"
    )
    assert run(engine, "seatrial/runtime:1", code, read_only=False).strip() == "[]"


def test_postgres_starts_fast_keeps_data_over_a_restart_and_wants_its_password(
    engine: docker.DockerClient,
) -> None:
    env = {
        "PORT": "6543",
        "POSTGRES_USER": "shop",
        "POSTGRES_PASSWORD": "it's",
        "POSTGRES_DB": "goods",
    }
    volume = engine.volumes.create()
    options = {**HARDENED, "mem_limit": "256m", "memswap_limit": "256m"}
    server = engine.containers.create(
        "seatrial/postgres:1",
        environment=env,
        volumes={volume.name: {"bind": "/data", "mode": "rw"}},
        **options,
    )
    try:
        began = time.monotonic()
        server.start()
        inside = f"container:{server.id}"
        assert "rows 1" in run(engine, "seatrial/runtime:1", QUERY, network_mode=inside)
        assert time.monotonic() - began < 10
        server.kill()
        server.wait(timeout=10)
        server.start()
        assert "rows 2" in run(
            engine, "seatrial/runtime:1", QUERY, network_mode=f"container:{server.id}"
        )
        server.stop(timeout=10)
        assert server.wait(timeout=10)["StatusCode"] == 0, "an orderly stop must end by itself"
    finally:
        with suppress(APIError, NotFound):
            server.remove(force=True, v=True)
        volume.remove(force=True)


def test_postgres_without_a_password_says_so(engine: docker.DockerClient) -> None:
    made = engine.containers.create("seatrial/postgres:1", **HARDENED)
    try:
        made.start()
        assert made.wait(timeout=20)["StatusCode"] != 0
        assert b"set POSTGRES_PASSWORD" in made.logs()
    finally:
        made.remove(force=True, v=True)


def test_what_a_learner_built_on_our_image_outlives_a_new_image_of_ours(
    engine: docker.DockerClient,
) -> None:
    """It inherits the label by which ours are known, and has no name until it is deployed."""
    made = []
    for label in ("seatrial.run=somebodys", "seatrial.test=lost-its-name"):
        name, _, value = label.partition("=")
        text = f'FROM seatrial/base:1\nLABEL "{name}"="{value}"\n'
        made.append(engine.images.build(fileobj=io.BytesIO(text.encode()), rm=True)[0])
    learners, lost = made
    try:
        _remove_stages(engine)
        assert engine.images.get(learners.id)
        with pytest.raises(ImageNotFound):
            engine.images.get(lost.id)
    finally:
        engine.images.remove(learners.id, force=True)
