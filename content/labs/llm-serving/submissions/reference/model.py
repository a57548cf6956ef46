"""SmolLM2 through llama.cpp: tokens in, logits out, and a KV cache whose sequences can be copied
and removed.

One `Model` belongs to one thread: llama.cpp's contexts are not thread-safe. Greedy choice is an
argmax over the logits. The file's 4-bit weights are written out in 16 bits before they are loaded.
llama.cpp then has kernels that serve many tokens of a step at once, and the text doesn't depend on
how many share a step: with fewer bits the activations are rounded too, and a tie may fall the other
way.
"""

import os

import numpy as np
from llama_cpp_py_sync import _cffi_bindings as bindings

ffi, lib = bindings.get_ffi(), bindings.get_lib()


@ffi.callback("void(enum ggml_log_level, const char*, void*)")
def _silent(_level, _text, _data):
    pass


def sixteen_bit() -> str:
    """The path of the weights in 16 bits, made from $MODEL_PATH when it isn't there yet (260 MB,
    about a second).
    """
    path = "/tmp/model-f16.gguf"
    if not os.path.exists(path):
        params = lib.llama_model_quantize_default_params()
        params.ftype, params.allow_requantize, params.nthread = lib.LLAMA_FTYPE_MOSTLY_F16, True, 1
        source, made = os.environ["MODEL_PATH"].encode(), (path + ".part").encode()
        if lib.llama_model_quantize(source, made, ffi.addressof(params)) != 0:
            raise RuntimeError("the model file could not be converted; is there room in /tmp?")
        os.rename(made.decode(), path)
    return path


class Model:
    """The weights with one context of `cells` KV cells, shared by `sequences` sequences."""

    def __init__(self, cells: int, sequences: int, batch: int = 512) -> None:
        lib.llama_log_set(_silent, ffi.NULL)
        lib.llama_backend_init()
        self.weights = lib.llama_model_load_from_file(
            sixteen_bit().encode(), lib.llama_model_default_params()
        )
        if self.weights == ffi.NULL:
            raise RuntimeError("the model file could not be loaded")
        self.vocab = lib.llama_model_get_vocab(self.weights)
        self.size = lib.llama_vocab_n_tokens(self.vocab)
        params = lib.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = (
            cells,
            batch,
            batch,
            sequences,
        )
        params.n_threads = params.n_threads_batch = 1
        params.kv_unified = True
        self.context = lib.llama_init_from_model(self.weights, params)
        if self.context == ffi.NULL:
            raise RuntimeError("the context could not be made; is there enough memory?")
        self.memory = lib.llama_get_memory(self.context)
        self.batch_size = batch
        self._batch = lib.llama_batch_init(batch, 0, 1)

    def tokenize(self, text: str) -> list[int]:
        """Token ids; the template's markers such as <|im_start|> become single tokens."""
        data = text.encode()
        room = len(data) + 8
        out = ffi.new("llama_token[]", room)
        return list(out[0 : lib.llama_tokenize(self.vocab, data, len(data), out, room, True, True)])

    def piece(self, token: int) -> bytes:
        """The bytes of one token; a character may be spread over several tokens."""
        out = ffi.new("char[]", 256)
        return bytes(
            ffi.buffer(out, max(0, lib.llama_token_to_piece(self.vocab, token, out, 256, 0, False)))
        )

    def is_end(self, token: int) -> bool:
        return bool(lib.llama_vocab_is_eog(self.vocab, token))

    def decode(self, entries: list[tuple[int, int, int, bool]]) -> None:
        """Run (token, position, sequence, wants logits) entries in one step; at most `batch_size`
        of them.
        """
        batch = self._batch
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, logits) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, logits
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
        code = lib.llama_decode(self.context, batch)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code}")

    def best(self, index: int) -> int:
        """The most likely token after entry `index` of the last step."""
        row = lib.llama_get_logits_ith(self.context, index)
        return int(np.frombuffer(ffi.buffer(row, self.size * 4), np.float32).argmax())

    def forget(self, sequence: int) -> None:
        """Free the cells of a sequence."""
        lib.llama_memory_seq_rm(self.memory, sequence, -1, -1)

    def copy(self, source: int, target: int, count: int) -> None:
        """Let `target` share the first `count` positions of `source`.

        Costs no computation and no memory.
        """
        lib.llama_memory_seq_cp(self.memory, source, target, 0, count)
