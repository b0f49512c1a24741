/* Which variant of lanes.c this processor can run, and what the library was made with. Compiled
 * for the plainest processor of the architecture, since it runs before anybody knows. */
#include "lanes.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int lanes_abi(void) { return LANES_VERSION; }

/* A library without this function does not know that units may leak. */
EXPORTED int lanes_knows_leaks(void) { return 1; }

/* A library without this function has none for the noise of SGD. */
EXPORTED int lanes_knows_noise(void) { return 1; }

/* A kernel without this function takes every second layer for ones, and no slope in SGD. */
EXPORTED int lanes_knows_second_layers(void) { return 1; }

/* 1 where this processor, and the system that saves its registers, has a variant's instructions. */
EXPORTED int lanes_supports_avx2(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return 0;
#endif
}

EXPORTED int lanes_supports_avx512(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && lanes_supports_avx2();
#else
  return 0;
#endif
}

EXPORTED int lanes_supports_neon(void) {
#if defined(__aarch64__)
  return 1;
#else
  return 0;
#endif
}

EXPORTED const char *lanes_compiler(void) {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}
