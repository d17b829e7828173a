/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act_script.h"

#include <errno.h>
#include <numaif.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct script *own(struct act *act)
{
	return (struct script *)act;
}

static int script_attach(struct act *act, int pid, uint64_t start_ns)
{
	(void)pid, (void)start_ns;
	return own(act)->is_gone ? -ESRCH : 0;
}

static bool script_is_alive(struct act *act)
{
	return !own(act)->is_gone;
}

static bool script_is_streaming(struct act *act)
{
	return own(act)->is_streaming;
}

static struct script_page *page_at(struct script *script, const void *address)
{
	const uint64_t number = ((uintptr_t)address - SCRIPT_START) / SCRIPT_BASE;

	return number < SCRIPT_PAGES ? &script->pages[number] : NULL;
}

static unsigned folio_pages(const struct script *script, unsigned head)
{
	unsigned n = 1;

	while (head + n < SCRIPT_PAGES && script->pages[head + n].head == head)
		n++;
	return n;
}

/* Isolates a page as add_page_for_migration() does. Returns: 1 queued, 0 there already, -errno. */
static int isolate(struct script *script, struct script_page *page, int node, int flags)
{
	if (!page || page->node < 0)
		return -ENOENT;
	if (page->hidden) {
		page->hidden--;
		return -ENOENT;
	}
	/* Queued, and not there yet. */
	if (script->mark[page->head])
		return -EBUSY;
	if (page->node == node)
		return 0;
	if (page->is_shared && !(flags & MPOL_MF_MOVE_ALL))
		return -EACCES;
	if (page->busy) {
		page->busy--;
		return -EBUSY;
	}
	script->mark[page->head] = 1;
	return 1;
}

/* A fresh page counts as one of the pool, and the old one does no more. */
static void take_of_pool(struct script *script, int from, int to)
{
	if (script->pool_pages[to] > script->pool_taken) {
		script->pool_pages[to]--;
		script->pool_pages[from]++;
	} else {
		script->pool_size[to]++;
		script->pool_size[from]--;
	}
}

/* Returns: 0, 1 where it is pinned, or -ENOMEM. */
static int migrate(struct script *script, unsigned head, int node)
{
	unsigned n = folio_pages(script, head);
	const uint64_t bytes = n * SCRIPT_BASE;
	const bool is_pool = script->pool_bytes && bytes == script->pool_bytes;

	if (script->pages[head].is_pinned) {
		script->now_ns += script->failed_ns;
		return 1;
	}
	script->now_ns += n * script->page_ns;
	if (is_pool) {
		take_of_pool(script, script->pages[head].node, node);
	} else {
		if (script->free_bytes[node] < bytes)
			return -ENOMEM;
		script->free_bytes[node] -= bytes;
		if (script->least_free_bytes[node] > script->free_bytes[node])
			script->least_free_bytes[node] = script->free_bytes[node];
		if (n > 1 && !script->huge_blocks) {
			script->n_split++;
			for (unsigned i = 0; i < n; i++)
				script->pages[head + i].head = head + i;
		} else if (n > 1) {
			script->huge_blocks--;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (!is_pool)
			script->free_bytes[script->pages[head + i].node] += SCRIPT_BASE;
		script->pages[head + i].node = node;
	}
	return 0;
}

static long ask(struct script *script, size_t n, void **pages, int *status)
{
	while (*(volatile bool *)&script->keeps_question)
		usleep(1000);
	script->n_asked += (unsigned)n;
	for (size_t i = 0; i < n; i++) {
		struct script_page *page = page_at(script, pages[i]);

		if (page && page->hidden) {
			page->hidden--;
			status[i] = -ENOENT;
			continue;
		}
		status[i] = page && page->node >= 0 ? page->node : -ENOENT;
	}
	script->now_ns += n * script->page_ns / 50;
	return 0;
}

static long script_move_pages(struct act *act, size_t n, void **pages, const int *nodes,
			      int *status, int flags)
{
	struct script *script = own(act);
	static int answers[SCRIPT_PAGES];
	long failed = 0;
	int r = 0;

	if (script->is_gone)
		return -ESRCH;
	if (!nodes)
		return ask(script, n, pages, status);
	script->n_calls++;
	script->n_addresses += (unsigned)n;
	if (script->most_addresses < n)
		script->most_addresses = (unsigned)n;
	if (script->gone_after && script->n_calls >= script->gone_after) {
		script->is_gone = true;
		return -ESRCH;
	}
	while (script->stall_after && script->n_calls >= script->stall_after)
		pause();
	script->now_ns += script->call_ns;
	if (script->nap_us)
		usleep(script->nap_us);
	memset(script->mark, 0, sizeof(script->mark));
	for (size_t i = 0; i < n && r >= 0; i++) {
		struct script_page *page = page_at(script, pages[i]);

		answers[i] = isolate(script, page, nodes[i], flags);
		if (answers[i] <= 0) {
			answers[i] = answers[i] ? answers[i] : nodes[i];
			/* What is queued is moved first, and if some of that fails it is the end.
			 */
			if (failed) {
				failed += (long)(n - i - 1);
				break;
			}
			memset(script->mark, 0, sizeof(script->mark));
			continue;
		}
		answers[i] = nodes[i];
		r = migrate(script, page->head, nodes[i]);
		failed += r > 0;
	}
	if (r < 0)
		return r;
	if (!failed)
		memcpy(status, answers, n * sizeof(*status));
	return failed;
}

static int script_find_huge(struct act *act, uint64_t start, uint64_t end, uint64_t *ret_slots)
{
	struct script *script = own(act);
	uint64_t slots = 0;

	if (!script->can_scan)
		return -EOPNOTSUPP;
	for (unsigned slot = 0; start + slot * SCRIPT_HUGE < end; slot++) {
		const unsigned page = (unsigned)((start - SCRIPT_START) / SCRIPT_BASE) + slot * 512;

		if (page < SCRIPT_PAGES && script->pages[page].head == page &&
		    folio_pages(script, page) == 512)
			slots |= UINT64_C(1) << slot;
	}
	*ret_slots = slots;
	return 0;
}

static int script_find_present(struct act *act, uint64_t start, size_t n, uint8_t *ret_pages)
{
	if (own(act)->is_unreadable)
		return -EBADF;
	for (size_t i = 0; i < n; i++) {
		const struct script_page *page =
			page_at(own(act), (void *)(start + i * SCRIPT_BASE));

		ret_pages[i] = page && page->is_zero   ? ACT_PAGE_PRESENT :
			       page && page->node >= 0 ? ACT_PAGE_PRESENT | ACT_PAGE_SINGLE :
							 0;
	}
	return 0;
}

static int script_get_room(struct act *act, unsigned node, enum act_kind kind, uint64_t page_bytes,
			   struct act_room *ret_room)
{
	struct script *script = own(act);
	uint64_t anon_huge = 0;

	(void)kind, (void)page_bytes;
	for (unsigned i = 0; i + 1 < SCRIPT_PAGES; i++)
		if (script->pages[i].node == (int)node && script->pages[i + 1].head == i)
			anon_huge += SCRIPT_HUGE;
	*ret_room = (struct act_room){
		.free_bytes = script->free_bytes[node],
		.anon_huge_bytes = anon_huge,
		.huge_blocks = script->huge_blocks,
		.pool_pages = script->pool_pages[node],
	};
	return 0;
}

static int script_get_pools(struct act *act, uint64_t page_bytes, struct act_pools *ret_pools)
{
	*ret_pools = (struct act_pools){ 0 };
	for (unsigned node = 0; page_bytes == own(act)->pool_bytes && node < SCRIPT_NODES; node++) {
		place_set_add(&ret_pools->nodes, node);
		ret_pools->pages[node] = own(act)->pool_size[node];
	}
	return 0;
}

static int script_set_pool(struct act *act, unsigned node, uint64_t page_bytes, uint64_t pages)
{
	struct script *script = own(act);

	if (page_bytes != script->pool_bytes || node >= SCRIPT_NODES)
		return -ENOENT;
	script->n_pools_set++;
	if (pages > script->pool_size[node])
		pages -= script->pool_short;
	script->pool_size[node] = pages + script->pool_beyond;
	return 0;
}

static int script_get_pressure(struct act *act, uint64_t *ret_stalled_us)
{
	*ret_stalled_us = own(act)->stalled_us;
	return 0;
}

static uint64_t script_now_ns(struct act *act)
{
	return own(act)->now_ns;
}

static void script_sleep_ns(struct act *act, uint64_t ns)
{
	own(act)->now_ns += ns;
	own(act)->slept_ns += ns;
	usleep(1000); /* a paused worker is no busy loop */
}

/* The test looks at it after the mover let go. */
static void script_release(struct act *act)
{
	(void)act;
}

struct script *script_new(void)
{
	static const struct act_ops ops = {
		.attach = script_attach,
		.is_alive = script_is_alive,
		.is_streaming = script_is_streaming,
		.move_pages = script_move_pages,
		.find_huge = script_find_huge,
		.find_present = script_find_present,
		.get_room = script_get_room,
		.get_pools = script_get_pools,
		.set_pool = script_set_pool,
		.get_pressure = script_get_pressure,
		.now_ns = script_now_ns,
		.sleep_ns = script_sleep_ns,
		.free = script_release,
	};
	struct script *script = mmap(NULL, sizeof(*script), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (script == MAP_FAILED)
		return NULL;
	script->act = (struct act){
		.ops = &ops,
		.base_bytes = SCRIPT_BASE,
		.huge_bytes = SCRIPT_HUGE,
	};
	script->now_ns = 1000000000;
	script->page_ns = 1000;
	script->call_ns = 20000;
	script->failed_ns = 6000;
	script->huge_blocks = 1000;
	for (unsigned node = 0; node < SCRIPT_NODES; node++)
		script->free_bytes[node] = script->least_free_bytes[node] = UINT64_C(1) << 32;
	for (unsigned i = 0; i < SCRIPT_PAGES; i++)
		script->pages[i].head = i;
	return script;
}

void script_free(struct script *script)
{
	(void)munmap(script, sizeof(*script));
}

void script_put(struct script *script, unsigned from, unsigned to, int node)
{
	for (unsigned i = from; i < to; i++)
		script->pages[i].node = node;
}

void script_huge(struct script *script, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		script->pages[i].head = i / 512 * 512;
}

uint64_t script_bytes_on(const struct script *script, int node)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < SCRIPT_PAGES; i++)
		bytes += script->pages[i].node == node ? SCRIPT_BASE : 0;
	return bytes;
}
