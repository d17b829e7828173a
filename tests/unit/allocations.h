/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counts what the objects of a test program allocate, the libraries' among them that are linked
 * into it (-Wl,--wrap, see Makefile.am); shared libraries call the C library itself.
 */
#pragma once

#include <stddef.h>

extern size_t n_allocations; /* since the start */
extern long n_held;	     /* allocated and not freed */
