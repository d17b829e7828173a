/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host root: whole files of any size, listings, and the fence around a recording that a
 * stranger may have sent: links that lead out, FIFOs, files that never end.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "host/root.h"

struct tree {
	char path[64];
	struct place_root root;
	struct place_text text;
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status, (void)type, (void)at;
	return remove(path);
}

static int make_tree(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	char sub[80];

	assert_non_null(tree);
	strcpy(tree->path, "/tmp/test_root.XXXXXX");
	assert_non_null(mkdtemp(tree->path));
	snprintf(sub, sizeof(sub), "%s/proc", tree->path);
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(place_root_open(tree->path, &tree->root), 0);
	*state = tree;
	return 0;
}

static int drop_tree(void **state)
{
	struct tree *tree = *state;

	place_text_done(&tree->text);
	place_root_close(&tree->root);
	assert_int_equal(nftw(tree->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(tree);
	return 0;
}

static void write_file(const struct tree *tree, const char *name, const char *bytes, size_t size)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tree->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void plant_link(const struct tree *tree, const char *name, const char *target)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", tree->path, name);
	assert_int_equal(symlink(target, path), 0);
}

static void test_open(void **state)
{
	static const struct {
		const char *path;
		int r;
	} cases[] = {
		{ "/nowhere/at/all", -ENOENT },
		{ "/proc/version", -ENOTDIR },
		{ "/proc/self/status/", -ENOTDIR },
	};
	struct place_root root = { .fd = 77 };

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		assert_int_equal(place_root_open(cases[i].path, &root), cases[i].r);
		assert_int_equal(root.fd, 77);
	}
	assert_int_equal(place_root_open(NULL, &root), 0);
	assert_true(root.is_live);
	assert_string_equal(root.path, "/");
	place_root_close(&root);
	assert_int_equal(root.fd, -1);
	assert_int_equal(place_root_open("", &root), 0);
	assert_true(root.is_live);
	place_root_close(&root);
	assert_int_equal(place_root_open("/tmp", &root), 0);
	assert_false(root.is_live);
	place_root_close(&root);
	place_root_close(&root);
}

static void test_read_sizes(void **state)
{
	/* Around the first buffer and its doublings, where the NUL has to fit too. */
	static const size_t sizes[] = { 0,    1,    4094, 4095, 4096,	4097,
					8190, 8191, 8192, 8193, 1000000 };
	struct tree *tree = *state;
	char *bytes = malloc(1000000);

	assert_non_null(bytes);
	memset(bytes, 'x', 1000000);
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		write_file(tree, "proc/file", bytes, sizes[i]);
		assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/file"), 0);
		assert_int_equal(tree->text.size, sizes[i]);
		assert_int_equal(strlen(tree->text.data), sizes[i]);
	}
	free(bytes);
	/* A short file behind a long one: nothing of the long one is left. */
	write_file(tree, "proc/file", "ab", 2);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/file"), 0);
	assert_string_equal(tree->text.data, "ab");
	write_file(tree, "proc/file", "a\0\0", 3);
	assert_int_equal(place_root_readf(&tree->root, &tree->text, "%s/%s", "proc", "file"), 0);
	assert_string_equal(tree->text.data, "a");
	assert_int_equal(tree->text.size, 3);
}

static void test_too_large(void **state)
{
	struct tree *tree = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/proc/file", tree->path);
	write_file(tree, "proc/file", "", 0);
	assert_int_equal(truncate(path, PLACE_TEXT_MAX - 2), 0);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/file"), 0);
	assert_int_equal(tree->text.size, PLACE_TEXT_MAX - 2);
	assert_int_equal(truncate(path, PLACE_TEXT_MAX), 0);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/file"), -EFBIG);
	assert_int_equal(tree->text.size, 0);
	assert_string_equal(tree->text.data, "");
}

static void test_read_failures(void **state)
{
	struct tree *tree = *state;
	char name[5000];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	write_file(tree, "proc/file", "before", 6);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/file"), 0);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/none"), -ENOENT);
	assert_string_equal(tree->text.data, "");
	assert_int_equal(tree->text.size, 0);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/file/x"), -ENOTDIR);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc"), -EISDIR);
	assert_int_equal(place_root_readf(&tree->root, &tree->text, "%s", name), -ENAMETOOLONG);
}

static void test_links_stay_inside(void **state)
{
	struct tree *tree = *state;

	write_file(tree, "proc/file", "inside", 6);
	plant_link(tree, "proc/good", "../proc/file");
	plant_link(tree, "proc/absolute", "/proc/file");
	plant_link(tree, "proc/up", "../../../../../../proc/file");
	plant_link(tree, "proc/passwd", "/etc/passwd");
	plant_link(tree, "proc/climb", "../../etc/passwd");
	plant_link(tree, "proc/loop", "loop");
	plant_link(tree, "sys", "/etc");
	/* "/" and ".." of a link are those of the recording. */
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/good"), 0);
	assert_string_equal(tree->text.data, "inside");
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/absolute"), 0);
	assert_string_equal(tree->text.data, "inside");
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/up"), 0);
	assert_string_equal(tree->text.data, "inside");
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/passwd"), -ENOENT);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/climb"), -ENOENT);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "sys/passwd"), -ENOENT);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "../../../etc/passwd"), -ENOENT);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/loop"), -ELOOP);
}

/* Nobody writes into it, and nobody ever will. */
static void test_fifo_does_not_wait(void **state)
{
	struct tree *tree = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/proc/fifo", tree->path);
	assert_int_equal(mkfifo(path, 0644), 0);
	alarm(10);
	assert_int_equal(place_root_read(&tree->root, &tree->text, "proc/fifo"), 0);
	alarm(0);
	assert_string_equal(tree->text.data, "");
}

/* What a user put where his own file is looked for: somebody else's, a FIFO, a folder. */
static void test_owned_files(void **state)
{
	struct tree *tree = *state;
	struct place_root live = tree->root;
	char path[160];

	live.is_live = true; /* owners count */
	write_file(tree, "proc/own", "mine", 4);
	assert_int_equal(place_root_read_ownedf(&live, &tree->text, geteuid(), "proc/%s", "own"),
			 0);
	assert_string_equal(tree->text.data, "mine");
	assert_int_equal(
		place_root_read_ownedf(&live, &tree->text, geteuid() + 1, "proc/%s", "own"),
		-EPERM);
	assert_string_equal(tree->text.data, "");
	assert_int_equal(
		place_root_read_ownedf(&tree->root, &tree->text, geteuid() + 1, "proc/own"), 0);
	snprintf(path, sizeof(path), "%s/proc/fifo", tree->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(place_root_read_ownedf(&live, &tree->text, geteuid(), "proc/fifo"),
			 -EPERM);
	assert_int_equal(place_root_read_ownedf(&live, &tree->text, geteuid(), "proc"), -EPERM);
	assert_int_equal(place_root_read_ownedf(&live, &tree->text, geteuid(), "none"), -ENOENT);
}

static void test_descriptors_are_not_inherited(void **state)
{
	struct tree *tree = *state;
	int fd;

	assert_true(fcntl(tree->root.fd, F_GETFD) & FD_CLOEXEC);
	fd = place_root_openat(&tree->root, "proc", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(place_root_openat(&tree->root, "none", O_RDONLY), -ENOENT);
}

struct seen {
	unsigned n, sum;
	unsigned stop_at;
};

static int see_name(const char *rest, void *data)
{
	struct seen *seen = data;

	seen->n++;
	seen->sum += (unsigned)strlen(rest);
	return 0;
}

static int see_id(unsigned id, void *data)
{
	struct seen *seen = data;

	seen->n++;
	seen->sum += id;
	return seen->stop_at && id == seen->stop_at ? -ECANCELED : 0;
}

static void test_listings(void **state)
{
	static const char *const names[] = { "node0",  "node17", "node",
					     "node-1", "node1x", "node+2",
					     "nod3",   "online", "node4294967296" };
	struct tree *tree = *state;
	struct seen seen = { 0 };
	char name[64];

	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		snprintf(name, sizeof(name), "proc/%s", names[i]);
		write_file(tree, name, "", 0);
	}
	assert_int_equal(place_root_each_id(&tree->root, "proc", "node", see_id, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.sum, 17);
	seen = (struct seen){ .stop_at = 17 };
	assert_int_equal(place_root_each_id(&tree->root, "proc", "node", see_id, &seen),
			 -ECANCELED);
	seen = (struct seen){ 0 };
	assert_int_equal(place_root_each_name(&tree->root, "proc", "node", see_name, &seen), 0);
	assert_int_equal(seen.n, 7);
	assert_int_equal(seen.sum, 1 + 2 + 0 + 2 + 2 + 2 + 10);
	seen = (struct seen){ 0 };
	assert_int_equal(place_root_each_id(&tree->root, "none", "", see_id, &seen), -ENOENT);
	assert_int_equal(place_root_each_id(&tree->root, "proc/node0", "", see_id, &seen),
			 -ENOTDIR);
	assert_int_equal(seen.n, 0);
}

static void test_append(void **state)
{
	_cleanup_free_ char *half = calloc(1, PLACE_TEXT_MAX / 2);
	struct tree *tree = *state;

	assert_non_null(half);
	assert_int_equal(place_text_append(&tree->text, "", 0), 0);
	assert_string_equal(tree->text.data, "");
	assert_int_equal(place_text_append(&tree->text, "one ", 4), 0);
	assert_int_equal(place_text_append(&tree->text, "two?", 3), 0);
	assert_string_equal(tree->text.data, "one two");
	assert_int_equal(tree->text.size, 7);
	/* The NUL has to fit as well. */
	assert_int_equal(place_text_append(&tree->text, half, PLACE_TEXT_MAX / 2), 0);
	assert_int_equal(place_text_append(&tree->text, half, PLACE_TEXT_MAX / 2 - 7), -EFBIG);
	assert_int_equal(place_text_append(&tree->text, half, PLACE_TEXT_MAX / 2 - 8), 0);
	assert_int_equal(tree->text.size, PLACE_TEXT_MAX - 1);
	assert_memory_equal(tree->text.data, "one two", 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		TEST(test_append),
		TEST(test_read_sizes),
		TEST(test_too_large),
		TEST(test_read_failures),
		TEST(test_links_stay_inside),
		TEST(test_fifo_does_not_wait),
		TEST(test_owned_files),
		TEST(test_descriptors_are_not_inherited),
		TEST(test_listings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
