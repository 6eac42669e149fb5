/*
 * Included before each C file of the engine (see `build`).
 *
 * QuickJS does not check its stack on WASI: deep recursion would run over the
 * end of the stack and trap, where a program expects a `RangeError` it can
 * catch. The check itself works well here, for what it looks at is the stack
 * in linear memory. So the engine is told, after all headers of the C library
 * have been read, that this is not WASI but a C library with
 * `malloc_usable_size`, the other thing it wants to know.
 *
 * WebAssembly has a second stack, the host's, which no code can look at. It is
 * used 2.5 to 4 bytes for each byte of the first one where programs recurse,
 * but up to 15 where the engine itself does, whose C functions keep little in
 * memory. So that one limit holds both stacks,
 *
 * - functions that check with a size of 0 (JSON, proxies, `flat`) get an array
 *   that makes their frames larger;
 * - the tokeniser, which checks with a size of 1000 on behalf of the parser,
 *   sees an eighth of the stack.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <alloca.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#undef __wasi__
#define __GLIBC__ 2

/* What a frame of the engine's own recursions is made larger by. */
#define ENGINE_FRAME 384

/* Seven eighths of `STACK` in src/engine.rs. */
#define ENGINE_NOT_FOR_PARSER (49u << 15)

static inline uintptr_t engine_address(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/*
 * `js_check_stack_overflow(rt, alloca_size)` asks for the stack pointer by
 * `js_get_stack_pointer()`; so does `JS_UpdateStackTop`, which has no such
 * size and takes this one. The engine's definition of the function, which has
 * `void` between its brackets, gets another name.
 */
static const size_t alloca_size = 1;

#define js_get_stack_pointer(...) \
    ENGINE_PICK(__VA_OPT__(js_unused_stack_pointer, ) ENGINE_MARK, )(__VA_ARGS__)
#define ENGINE_PICK(first, ...) first
#define ENGINE_MARK() \
    (__extension__({ \
        uintptr_t engine_mark = engine_address(); \
        if (__builtin_constant_p(alloca_size) && alloca_size == 0) { \
            volatile char engine_frame[ENGINE_FRAME]; \
            engine_frame[0] = 0; \
            engine_mark = (uintptr_t)engine_frame; \
        } else if (alloca_size == 1000) { \
            engine_mark -= ENGINE_NOT_FOR_PARSER; \
        } \
        engine_mark; \
    }))

#endif
