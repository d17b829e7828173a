/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The size of batches and the token bucket, on made-up costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "act/pace.h"

#define MS_NS UINT64_C(1000000)
#define MIB (UINT64_C(1) << 20)

/* So many calls, each with a cost of its own and one per page. Returns: the last size. */
static unsigned run(struct pace_batch *batch, unsigned calls, uint64_t call_ns, uint64_t page_ns)
{
	for (unsigned i = 0; i < calls; i++)
		pace_batch_took(batch, batch->n, call_ns + batch->n * page_ns);
	return batch->n;
}

static void test_fits_the_budget(void **state)
{
	struct pace_batch batch;

	(void)state;
	pace_batch_init(&batch, 64, 64, 4096, 2 * MS_NS);
	assert_in_range(run(&batch, 50, 10000, 5000), 350, 400);
	/* Ten times dearer: at once, or nearly. */
	assert_in_range(run(&batch, 8, 10000, 50000), 64, 128);
	/* As many as are allowed, no more. */
	pace_batch_init(&batch, 64, 64, 4096, 2 * MS_NS);
	assert_int_equal(run(&batch, 50, 10000, 10), 4096);
}

/* On a busy host a call takes 28 ms whatever it moves: small ones would take for ever. */
static void test_dear_calls(void **state)
{
	struct pace_batch batch;

	(void)state;
	pace_batch_init(&batch, 64, 64, 4096, 2 * MS_NS);
	assert_in_range(run(&batch, 100, 28 * MS_NS, 5000), 300, 500);
	pace_batch_init(&batch, 4, 1, 64, 2 * MS_NS);
	assert_in_range(run(&batch, 100, 28 * MS_NS, 200000), 7, 14);
}

/* Pages that are dear by themselves keep to the least, but for some calls of twice as many. */
static void test_dear_pages(void **state)
{
	struct pace_batch batch;
	unsigned n_large = 0;

	(void)state;
	pace_batch_init(&batch, 64, 64, 4096, 2 * MS_NS);
	for (unsigned i = 0; i < 100; i++) {
		assert_in_range(batch.n, 64, 128);
		n_large += batch.n > 64;
		run(&batch, 1, MS_NS, 300000);
	}
	assert_in_range(n_large, 1, 30);
}

static void test_no_budget(void **state)
{
	struct pace_batch batch;

	(void)state;
	pace_batch_init(&batch, 64, 64, 4096, 0);
	assert_int_equal(batch.n, 64); /* the first one is timed */
	assert_int_equal(run(&batch, 1, 28 * MS_NS, 300000), 4096);
}

static void test_bucket(void **state)
{
	struct pace pace;
	uint64_t now_ns = 1000 * MS_NS, wait_ns;

	(void)state;
	pace_init(&pace, 100 * MIB);
	/* 20 ms of it may go at once. */
	assert_int_equal(pace_take(&pace, 2 * MIB, now_ns), 0);
	for (unsigned i = 0; i < 99; i++) {
		wait_ns = pace_take(&pace, 2 * MIB, now_ns);
		now_ns += wait_ns;
	}
	assert_in_range(now_ns, 2940 * MS_NS, 3000 * MS_NS);
	/* What was not taken is not saved up. */
	now_ns += 5000 * MS_NS;
	assert_int_equal(pace_take(&pace, 2 * MIB, now_ns), 0);
	assert_int_equal(pace_take(&pace, 2 * MIB, now_ns), 0);
	assert_true(pace_take(&pace, 2 * MIB, now_ns) > 0);
	/* Half of it from now on. */
	now_ns += 5000 * MS_NS;
	pace_set(&pace, 50 * MIB);
	assert_int_equal(pace_take(&pace, 50 * MIB, now_ns), 0);
	assert_in_range(pace_take(&pace, 50 * MIB, now_ns), 980 * MS_NS, 1000 * MS_NS);
	pace_init(&pace, 0);
	assert_int_equal(pace_take(&pace, UINT64_MAX, now_ns), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits_the_budget), cmocka_unit_test(test_dear_calls),
		cmocka_unit_test(test_dear_pages),	cmocka_unit_test(test_no_budget),
		cmocka_unit_test(test_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
