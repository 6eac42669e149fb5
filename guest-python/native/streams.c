/* Streams of bzip2 and xz, one step at a time: the part of `_bz2` and `_lzma`
 * that is not Python. What a stream means is said in Python, in `stand_ins`.
 *
 * Steps are called with what is left of the input and with how much may come
 * out, so that a small input that becomes very large is bounded by its caller.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <lzma.h>

/* The interface of CPython, as far as it is used here. It is stable, and the
 * headers of this build are in no package. */

typedef intptr_t Py_ssize_t;

typedef struct PyObject {
    Py_ssize_t references;
    void *type;
} PyObject;

typedef struct {
    const char *name;
    PyObject *(*function)(PyObject *, PyObject *);
    int flags;
    const char *documentation;
} PyMethodDef;

typedef struct {
    PyObject base;
    void *init;
    Py_ssize_t index;
    PyObject *copy;
    const char *name;
    const char *documentation;
    Py_ssize_t size;
    PyMethodDef *methods;
    void *slots, *traverse, *clear, *free;
} PyModuleDef;

enum { METH_VARARGS = 1, API_VERSION = 1013, IMMORTAL = 5 << 28 };

extern int PyArg_ParseTuple(PyObject *, const char *, ...);
extern PyObject *Py_BuildValue(const char *, ...);
extern PyObject *PyBytes_FromStringAndSize(const char *, Py_ssize_t);
extern char *PyBytes_AsString(PyObject *);
extern int _PyBytes_Resize(PyObject **, Py_ssize_t);
extern PyObject *PyErr_NoMemory(void);
extern PyObject *PyModule_Create2(PyModuleDef *, int);

/* What a step answers besides the codes of the libraries: nothing went wrong,
 * and the stream is at its end. */
enum { GOES_ON = 0, ENDED = 1 };

/* The most filters that a chain of xz has, and the numbers of each. */
enum { FILTERS = LZMA_FILTERS_MAX, NUMBERS = 11, DEFAULT = -1 };

typedef struct {
    int compresses;
    bz_stream stream;
} Bzip2;

typedef struct {
    lzma_stream stream;
    lzma_filter filters[FILTERS + 1];
    lzma_options_lzma lzma[FILTERS];
    lzma_options_delta delta[FILTERS];
    lzma_options_bcj bcj[FILTERS];
} Xz;

static PyObject *bzip2_open(PyObject *self, PyObject *arguments) {
    int level;
    if (!PyArg_ParseTuple(arguments, "i", &level))
        return NULL;
    Bzip2 *made = calloc(1, sizeof *made);
    if (made == NULL)
        return PyErr_NoMemory();
    made->compresses = level > 0;
    int code = level > 0 ? BZ2_bzCompressInit(&made->stream, level, 0, 0)
                         : BZ2_bzDecompressInit(&made->stream, 0, 0);
    if (code != BZ_OK) {
        free(made);
        return PyErr_NoMemory();
    }
    return Py_BuildValue("n", (Py_ssize_t)made);
}

static PyObject *bzip2_close(PyObject *self, PyObject *arguments) {
    Py_ssize_t handle;
    if (!PyArg_ParseTuple(arguments, "n", &handle))
        return NULL;
    Bzip2 *it = (Bzip2 *)handle;
    if (it->compresses)
        BZ2_bzCompressEnd(&it->stream);
    else
        BZ2_bzDecompressEnd(&it->stream);
    free(it);
    return Py_BuildValue("");
}

/* The arguments of a step: which stream, the input and where it goes on, how
 * much may come out, and whether the input ends with this. */
typedef struct {
    Py_ssize_t handle;
    const char *data;
    Py_ssize_t size, offset, limit;
    int ends;
    PyObject *out;
} Step;

static int step_read(Step *step, PyObject *arguments) {
    if (!PyArg_ParseTuple(arguments, "ny#nni", &step->handle, &step->data, &step->size,
                          &step->offset, &step->limit, &step->ends))
        return 0;
    if (step->offset < 0 || step->offset > step->size)
        step->offset = step->size;
    if (step->limit < 1)
        step->limit = 1;
    step->out = PyBytes_FromStringAndSize(NULL, step->limit);
    return step->out != NULL;
}

static PyObject *step_answer(Step *step, size_t left_in, size_t left_out, int code) {
    if (_PyBytes_Resize(&step->out, step->limit - (Py_ssize_t)left_out) < 0)
        return NULL;
    return Py_BuildValue("Nni", step->out, step->size - (Py_ssize_t)left_in, code);
}

static PyObject *bzip2_step(PyObject *self, PyObject *arguments) {
    Step step;
    if (!step_read(&step, arguments))
        return NULL;
    Bzip2 *it = (Bzip2 *)step.handle;
    bz_stream *stream = &it->stream;
    stream->next_in = (char *)step.data + step.offset;
    stream->avail_in = (unsigned)(step.size - step.offset);
    stream->next_out = PyBytes_AsString(step.out);
    stream->avail_out = (unsigned)step.limit;
    int code;
    if (!it->compresses)
        code = BZ2_bzDecompress(stream);
    else if (step.ends)
        code = BZ2_bzCompress(stream, BZ_FINISH);
    else
        code = stream->avail_in > 0 ? BZ2_bzCompress(stream, BZ_RUN) : BZ_RUN_OK;
    int answer = code == BZ_STREAM_END ? ENDED : code < 0 ? code : GOES_ON;
    return step_answer(&step, stream->avail_in, stream->avail_out, answer);
}

/* A number of a filter, or the value that it has already. */
#define TAKE(place, number) \
    if ((number) != DEFAULT) \
    (place) = (uint32_t)(number)

/* Reads a chain of filters: for each its id in two halves, its preset, and
 * eight numbers. */
static int filters_read(Xz *it, const char *data, Py_ssize_t size) {
    int32_t numbers[NUMBERS];
    int count = (int)(size / (Py_ssize_t)sizeof numbers);
    if (count > FILTERS)
        return 0;
    for (int at = 0; at < count; at++) {
        memcpy(numbers, data + at * sizeof numbers, sizeof numbers);
        lzma_vli id = (uint64_t)(uint32_t)numbers[0] | (uint64_t)(uint32_t)numbers[1] << 32;
        it->filters[at].id = id;
        if (id == LZMA_FILTER_LZMA1 || id == LZMA_FILTER_LZMA2) {
            lzma_options_lzma *options = &it->lzma[at];
            if (lzma_lzma_preset(options, (uint32_t)numbers[2]))
                return 0;
            TAKE(options->dict_size, numbers[3]);
            TAKE(options->lc, numbers[4]);
            TAKE(options->lp, numbers[5]);
            TAKE(options->pb, numbers[6]);
            TAKE(options->mode, numbers[7]);
            TAKE(options->nice_len, numbers[8]);
            TAKE(options->mf, numbers[9]);
            TAKE(options->depth, numbers[10]);
            it->filters[at].options = options;
        } else if (id == LZMA_FILTER_DELTA) {
            it->delta[at].type = LZMA_DELTA_TYPE_BYTE;
            it->delta[at].dist = numbers[3] == DEFAULT ? 1 : (uint32_t)numbers[3];
            it->filters[at].options = &it->delta[at];
        } else {
            it->bcj[at].start_offset = numbers[3] == DEFAULT ? 0 : (uint32_t)numbers[3];
            it->filters[at].options = &it->bcj[at];
        }
    }
    it->filters[count].id = LZMA_VLI_UNKNOWN;
    return 1;
}

/* The formats, as `_lzma` numbers them. */
enum { AUTO, CONTAINER, ALONE, RAW };

static lzma_ret xz_begin(Xz *it, int compresses, int format, int check, uint32_t preset,
                         uint64_t memory) {
    lzma_stream *stream = &it->stream;
    int chain = it->filters[0].id != LZMA_VLI_UNKNOWN;
    uint32_t tell = LZMA_TELL_ANY_CHECK | LZMA_TELL_NO_CHECK;
    if (!compresses) {
        switch (format) {
        case AUTO: return lzma_auto_decoder(stream, memory, tell);
        case CONTAINER: return lzma_stream_decoder(stream, memory, tell);
        case ALONE: return lzma_alone_decoder(stream, memory);
        default: return lzma_raw_decoder(stream, it->filters);
        }
    }
    switch (format) {
    case CONTAINER:
        return chain ? lzma_stream_encoder(stream, it->filters, check)
                     : lzma_easy_encoder(stream, preset, check);
    case ALONE:
        if (chain)
            return it->filters[0].id == LZMA_FILTER_LZMA1 && it->filters[1].id == LZMA_VLI_UNKNOWN
                       ? lzma_alone_encoder(stream, it->filters[0].options)
                       : LZMA_OPTIONS_ERROR;
        if (lzma_lzma_preset(&it->lzma[0], preset))
            return LZMA_OPTIONS_ERROR;
        return lzma_alone_encoder(stream, &it->lzma[0]);
    default:
        return lzma_raw_encoder(stream, it->filters);
    }
}

/* Gives the stream, and a code that is not zero if there is none. */
static PyObject *xz_open(PyObject *self, PyObject *arguments) {
    int compresses, format, check;
    unsigned preset;
    unsigned long long memory;
    const char *filters;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "iiiIKy#", &compresses, &format, &check, &preset, &memory,
                          &filters, &size))
        return NULL;
    Xz *made = calloc(1, sizeof *made);
    if (made == NULL)
        return PyErr_NoMemory();
    lzma_ret code = filters_read(made, filters, size)
                        ? xz_begin(made, compresses, format, check, preset, memory)
                        : LZMA_OPTIONS_ERROR;
    if (code != LZMA_OK) {
        lzma_end(&made->stream);
        free(made);
        made = NULL;
    }
    return Py_BuildValue("ni", (Py_ssize_t)made, (int)code);
}

static PyObject *xz_close(PyObject *self, PyObject *arguments) {
    Py_ssize_t handle;
    if (!PyArg_ParseTuple(arguments, "n", &handle))
        return NULL;
    lzma_end(&((Xz *)handle)->stream);
    free((Xz *)handle);
    return Py_BuildValue("");
}

static PyObject *xz_step(PyObject *self, PyObject *arguments) {
    Step step;
    if (!step_read(&step, arguments))
        return NULL;
    lzma_stream *stream = &((Xz *)step.handle)->stream;
    stream->next_in = (const uint8_t *)step.data + step.offset;
    stream->avail_in = (size_t)(step.size - step.offset);
    stream->next_out = (uint8_t *)PyBytes_AsString(step.out);
    stream->avail_out = (size_t)step.limit;
    lzma_ret code;
    do {
        code = lzma_code(stream, step.ends ? LZMA_FINISH : LZMA_RUN);
        /* Only a word on which check there is. */
    } while (code == LZMA_GET_CHECK || code == LZMA_NO_CHECK);
    return step_answer(&step, stream->avail_in, stream->avail_out, (int)code);
}

/* Which check the stream that is read has. */
static PyObject *xz_check(PyObject *self, PyObject *arguments) {
    Py_ssize_t handle;
    if (!PyArg_ParseTuple(arguments, "n", &handle))
        return NULL;
    return Py_BuildValue("i", (int)lzma_get_check(&((Xz *)handle)->stream));
}

static PyMethodDef methods[] = {
    {"bzip2_open", bzip2_open, METH_VARARGS, NULL},
    {"bzip2_step", bzip2_step, METH_VARARGS, NULL},
    {"bzip2_close", bzip2_close, METH_VARARGS, NULL},
    {"xz_open", xz_open, METH_VARARGS, NULL},
    {"xz_step", xz_step, METH_VARARGS, NULL},
    {"xz_close", xz_close, METH_VARARGS, NULL},
    {"xz_check", xz_check, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
    .base = {IMMORTAL, NULL},
    .name = "_streams",
    .size = -1,
    .methods = methods,
};

/* bzip2 calls this where it finds a mistake of its own. */
void bz_internal_error(int code) {
    abort();
}

__attribute__((visibility("default"))) PyObject *PyInit__streams(void) {
    return PyModule_Create2(&module, API_VERSION);
}
