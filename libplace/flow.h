/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The structs that flow through the rooms, in the order in which they do:
 *
 *   host/ -> place_topology, place_sample -> place_model -> place_advice
 *                            place_look, place_activity  -> place_plan
 *
 * Each is filled by one room and read-only for the next. Rooms that only decide include this
 * file and host/nodeset.h, nothing else. Unknown is never zero: a fact that could not be read
 * has its bit clear in `known`, and its value means nothing.
 *
 * Units are in the names. CPU is counted in millicpu: 1000 is one CPU that is always busy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/nodeset.h"

/* ---- what the machine is: observe/topology ---------------------------------------------- */

/* SLIT values (ACPI 6.5, 5.2.17): 10 is local, 255 is unreachable. */
#define PLACE_DISTANCE_LOCAL 10
#define PLACE_DISTANCE_REMOTE 20 /* what the kernel assumes without a table (REMOTE_DISTANCE) */

struct place_node {
	unsigned id;
	struct place_set cpus; /* online CPUs of the node, whoever may use them */
	unsigned n_cpus;
	unsigned n_cores; /* SMT siblings count once; equals n_cpus where that is unknown */
};

struct place_topology {
	size_t n_nodes;
	struct place_node *nodes; /* online nodes, ascending id */
	uint8_t *distance;	  /* n_nodes x n_nodes, by index: distance[from * n_nodes + to] */
	bool have_distance;	  /* else distance holds 10 and 20 */
	bool have_cores;
	bool is_flat; /* no node files: one node 0, memory from /proc/meminfo */
	struct place_set node_ids;
	struct place_set memory_ids; /* those with memory; all of them where that is not known */
	struct place_set cpus_online;
	struct place_set cpus_isolated; /* isolcpus=: the scheduler puts nothing there by itself */
	char boot_id[37];		/* "" where unknown */
};

/* Where the node of that id stands in `nodes`; n_nodes where there is none. */
static inline size_t place_topology_index(const struct place_topology *topology, unsigned id)
{
	size_t i = 0;

	while (i < topology->n_nodes && topology->nodes[i].id != id)
		i++;
	return i;
}

/* ---- one instant of it: observe/sample --------------------------------------------------- */

enum place_node_fact {
	PLACE_NODE_TOTAL = 1 << 0,
	PLACE_NODE_FREE = 1 << 1,
	PLACE_NODE_RECLAIMABLE = 1 << 2,
	PLACE_NODE_RESERVE = 1 << 3,
	PLACE_NODE_POOLS = 1 << 4,
};

#define PLACE_POOLS_MAX 4 /* hugepage sizes per node: x86 has 2, arm64 4 */

struct place_pool {
	uint64_t page_bytes;
	uint64_t total_pages;
	uint64_t free_pages;
	/* Of the free ones: more than are free on the host beside what is reserved there. */
	uint64_t withheld_pages;
};

struct place_node_sample {
	unsigned known; /* of enum place_node_fact */
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t reclaimable_bytes; /* clean page cache that goes without writing */
	uint64_t reserve_bytes;	    /* what the kernel keeps for itself: its high watermark */
	size_t n_pools;
	struct place_pool pools[PLACE_POOLS_MAX];
};

/* The node's pool of pages of that size; NULL where it has none. */
static inline const struct place_pool *place_node_pool(const struct place_node_sample *node,
						       uint64_t page_bytes)
{
	for (size_t i = 0; i < node->n_pools && i < PLACE_POOLS_MAX; i++)
		if (node->pools[i].page_bytes == page_bytes)
			return &node->pools[i];
	return NULL;
}

enum place_reclaim_fact {
	PLACE_RECLAIM_SCANNED = 1 << 0,
	PLACE_RECLAIM_STOLEN = 1 << 1,
	PLACE_RECLAIM_WRITTEN = 1 << 2,
	PLACE_RECLAIM_REFAULTED = 1 << 3,
};

/* What the kernel has reclaimed of a node since the boot, in pages: observe/reclaim. */
struct place_reclaim {
	unsigned known;		  /* of enum place_reclaim_fact */
	uint64_t scanned_pages;	  /* looked at for something to take */
	uint64_t stolen_pages;	  /* taken */
	uint64_t written_pages;	  /* written out for it: swap, nearly always */
	uint64_t refaulted_pages; /* anonymous ones that came back from swap */
};

enum place_stall_fact {
	PLACE_STALL_SOME = 1 << 0,
	PLACE_STALL_FULL = 1 << 1,
	PLACE_STALL_SWAP = 1 << 2,
};

/* How the host as a whole fares for want of memory: PSI, and what it has beside its nodes. */
struct place_stall {
	unsigned known;		      /* of enum place_stall_fact */
	unsigned some_avg10_permille; /* of the last 10 s in which some task waited for memory */
	unsigned full_avg10_permille; /* in which all did */
	uint64_t some_total_us;	      /* since the boot */
	uint64_t full_total_us;
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	/* Huge pages that may be made beyond the pools, by size; a size not there: unknown. */
	size_t n_surplus;
	struct place_surplus {
		uint64_t page_bytes;
		uint64_t pages;
	} surplus[PLACE_POOLS_MAX];
};

enum place_guest_fact {
	PLACE_GUEST_NAME = 1 << 0,
	PLACE_GUEST_UUID = 1 << 1,
	PLACE_GUEST_VCPUS = 1 << 2,
	PLACE_GUEST_MEMORY = 1 << 3,
	PLACE_GUEST_RESIDENT = 1 << 4,
	PLACE_GUEST_BALLOON = 1 << 5,
	PLACE_GUEST_MEMS = 1 << 6,
	PLACE_GUEST_CPUS = 1 << 7,
	PLACE_GUEST_LOAD = 1 << 8,
	PLACE_GUEST_START = 1 << 9,
	PLACE_GUEST_SWAP_LIMIT = 1 << 10,
	PLACE_GUEST_ALLOWED = 1 << 11, /* clear as well where it may use all nodes */
};

#define PLACE_GUEST_NAME_MAX 128
#define PLACE_UUID_TEXT_MAX 37

/* How the guest's memory is tied to `mems`. */
enum place_bind {
	PLACE_BIND_NONE,       /* by nothing: anywhere in the host */
	PLACE_BIND_CPUSET,     /* cpuset.mems of its cgroup (libvirt: restrictive) */
	PLACE_BIND_STRICT,     /* policy bind */
	PLACE_BIND_INTERLEAVE, /* policy interleave */
	PLACE_BIND_PREFERRED,  /* policy preferred */
	PLACE_BIND_COUNT,
};

/* Guest memory that may come from one node alone. */
struct place_part {
	unsigned node;
	uint64_t bytes;
};

#define PLACE_PARTS_MAX 16

struct place_guest {
	unsigned known; /* of enum place_guest_fact */
	int pid;
	uint64_t start_ns; /* since boot: with the pid it is the guest's identity */
	char name[PLACE_GUEST_NAME_MAX];
	char uuid[PLACE_UUID_TEXT_MAX];
	unsigned n_vcpus;	 /* running now */
	uint64_t memory_bytes;	 /* RAM configured: -m, or the sum of its backends, and DIMMs */
	uint64_t resident_bytes; /* of it and QEMU's own, plain memory: anonymous + shared */
	uint64_t resident_pool_bytes; /* of it, from hugepage pools */
	uint64_t balloon_bytes; /* what the balloon leaves to the guest, and so all that it takes */
	uint64_t hugepage_bytes; /* page size of its backend, 0 for plain memory */
	uint64_t swapped_bytes; /* of it and QEMU's own, what swap has; 0 where that is not known */
	uint64_t swap_limit_bytes; /* what swap may have of its group; UINT64_MAX: as much as there
				      is */
	uint64_t cpu_time_ns;	   /* of all its threads, since its start */
	uint64_t load_millicpu;	   /* CPU time since an earlier sample, else since its start */
	enum place_bind bind;
	/* Its NUMA cells and DIMMs are bound each in its own way, to other nodes or by another
	 * policy: `bind` is the strictest, mems are all of them, and no memory of it is moved. */
	bool is_split;
	/* All of memory_bytes by node, where each cell is bound to a single one; else none. */
	size_t n_parts;
	struct place_part parts[PLACE_PARTS_MAX];
	struct place_set mems;	    /* nodes its memory may come from, or is asked to come from */
	struct place_nodes allowed; /* by its cpuset, whatever its policy asks for */
	struct place_set cpus; /* CPUs its main thread may use: the emulator's, not the vCPUs' */
};

/* ---- what a guest is and does: observe/look, observe/watch ------------------------------- */

/* Facts that make its class, found when it is looked at. Several may hold. */
enum place_trait {
	PLACE_TRAIT_LIBVIRT = 1 << 0,	   /* libvirt has a status file of it */
	PLACE_TRAIT_ADVISED = 1 << 1,	   /* that file says: its nodes were advised */
	PLACE_TRAIT_NODESET = 1 << 2,	   /* its nodes were fixed by an administrator */
	PLACE_TRAIT_PINNED = 1 << 3,	   /* a vCPU thread may use less than a node's CPUs */
	PLACE_TRAIT_MIGRATING = 1 << 4,	   /* on its way out, or still coming in */
	PLACE_TRAIT_VFIO = 1 << 5,	   /* a device may write its memory: pages are held */
	PLACE_TRAIT_CONFIDENTIAL = 1 << 6, /* SEV, TDX, guest_memfd */
	PLACE_TRAIT_SLOTS = 1 << 7,	   /* maxMemory slots or virtio-mem */
	PLACE_TRAIT_CELLS = 1 << 8,	   /* it has NUMA cells of its own */
	PLACE_TRAIT_SHARED = 1 << 9,	   /* its RAM is mapped by others too (vhost-user) */
	PLACE_TRAIT_EXCLUDED = 1 << 10,	   /* a setting says: leave it alone */
	PLACE_TRAIT_INCLUDED = 1 << 11,	   /* no QEMU, but somebody asked for it (-p, -S 1) */
	PLACE_TRAIT_CONFINED = 1 << 12, /* its vCPU threads are kept on some of the nodes, whole */
	PLACE_TRAIT_PARTIAL = 1 << 13,	/* something of it could not be looked at */
	PLACE_TRAIT_STARTING = 1 << 14, /* libvirt is not done with it: it still places it */
	PLACE_TRAIT_SESSION = 1 << 15,	/* its libvirt is a user's own, not root's */
};

/* Who may be moved, and how. Words: place_class_word(). */
enum place_class {
	PLACE_CLASS_FREE,	  /* no pin, no policy */
	PLACE_CLASS_AUTO,	  /* libvirt advised its nodes */
	PLACE_CLASS_STATIC,	  /* only inside the nodes that were fixed */
	PLACE_CLASS_PINNED,	  /* memory follows its CPUs, the CPUs stay */
	PLACE_CLASS_INTERLEAVED,  /* spread on purpose, or bound cell by cell: stays so */
	PLACE_CLASS_MIGRATING,	  /* not now */
	PLACE_CLASS_DEVICE,	  /* pages are held: its CPUs may go to the memory */
	PLACE_CLASS_CONFIDENTIAL, /* never */
	PLACE_CLASS_UNREADABLE,	  /* what is not known is not moved */
	PLACE_CLASS_EXCLUDED,
	PLACE_CLASS_COUNT,
};

/* Who says how much of a guest's access is remote. Words: place_evidence_word(). */
enum place_evidence {
	PLACE_EVIDENCE_NONE,
	PLACE_EVIDENCE_RESIDENCY,   /* where memory lies x where the vCPUs ran */
	PLACE_EVIDENCE_HINT_FAULTS, /* the kernel's NUMA balancing counted accesses */
	PLACE_EVIDENCE_COUNT,
};

/* Who says where its memory lies. Words: place_bytes_word(). */
enum place_bytes_source {
	PLACE_BYTES_NONE,
	PLACE_BYTES_CGROUP,  /* memory.numa_stat of its own group: exact, first tier */
	PLACE_BYTES_SAMPLES, /* stratified random pages asked for their node: second tier */
	PLACE_BYTES_COUNT,
};

enum place_activity_fact {
	PLACE_ACTIVITY_BYTES = 1 << 0,	/* bytes, bytes_source */
	PLACE_ACTIVITY_RUN = 1 << 1,	/* run_permille, busy_millicpu */
	PLACE_ACTIVITY_REMOTE = 1 << 2, /* remote_permille, evidence, sure_permille */
	/* busy_millicpu and run_permille are from less than a second: a first word. */
	PLACE_ACTIVITY_BRIEF = 1 << 3,
};

/* What a guest does now, as far as it is known. Rows of n_nodes belong to the watch. */
struct place_activity {
	unsigned known;		/* of enum place_activity_fact */
	uint64_t *bytes;	/* resident guest memory, by index of the node */
	uint64_t bytes_ns;	/* when that was, CLOCK_BOOTTIME */
	uint32_t *run_permille; /* share of its vCPU time, by index of the node */
	uint64_t busy_millicpu; /* CPU time of all its threads over the last window */
	unsigned remote_permille;
	unsigned sure_permille; /* how far the evidence may be trusted */
	enum place_bytes_source bytes_source;
	enum place_evidence evidence;
};

/* A thread, never mistaken for another that has its id later; ordered by start, then by id. */
struct place_thread {
	uint64_t start_ns; /* since boot, as /proc has it: in steps of 10 ms */
	int tid;
};

#define PLACE_GROUP_PATH_MAX 512

/* A look at a process: what takes more than the first tier. Plain values: it crosses a pipe. */
struct place_look {
	struct place_guest guest;
	unsigned traits;	    /* of enum place_trait */
	bool is_guest;		    /* false: no QEMU; or gone, and then guest.known is 0 */
	struct place_set vcpu_cpus; /* where its vCPU threads may run, together; empty: unknown */
	/* Its groups, without a leading slash, below the mounts of the memory controller. */
	char group_v2[PLACE_GROUP_PATH_MAX];
	char group_memory_v1[PLACE_GROUP_PATH_MAX];
};

/* What the asker itself may use: a guest that it starts will live inside. */
struct place_confine {
	struct place_set cpus;
	struct place_set mems;
	bool have_cpus;
	bool have_mems;
};

struct place_sample {
	uint64_t taken_ns; /* CLOCK_BOOTTIME */
	size_t n_nodes;	   /* as in the topology, same order */
	struct place_node_sample *nodes;
	size_t n_guests;
	struct place_guest *guests; /* ascending pid */
	bool guests_complete;	    /* false: some process could not be looked at */
	struct place_confine confine;
};

/* ---- what was said and is not there yet: the promise ledger ------------------------------ */

struct place_promise {
	uint64_t id;
	uint64_t booked_ns;   /* CLOCK_BOOTTIME */
	uint32_t vcpus_centi; /* hundredths of a CPU, as numad's -w takes them */
	uint64_t memory_bytes;
	struct place_set nodes;
	int pid;	   /* the guest that was seen to take it up, 0 before */
	uint64_t start_ns; /* of that guest */
	uint64_t seen_ns;  /* when it was written down as seen */
	bool is_unwritten; /* its keeper could not write it down yet */
	bool is_lost;	   /* that guest is out of sight (place_promises_settle()): not written */
};

/* Whether it counts, and not a guest in its place. */
static inline bool place_promise_is_open(const struct place_promise *promise)
{
	return !promise->pid || promise->is_lost;
}

/* The caller's, in the order of booking. */
struct place_ledger {
	struct place_promise *promises;
	size_t n;
	size_t capacity;
};

/* ---- how to decide ----------------------------------------------------------------------- */

enum place_memory_only { PLACE_MEMORY_ONLY_NEVER, PLACE_MEMORY_ONLY_OVERFLOW };

enum place_hugepages {
	PLACE_HUGEPAGES_EITHER, /* unknown: among equals prefer a node where both would fit */
	PLACE_HUGEPAGES_NEVER,	/* guests use plain memory */
	PLACE_HUGEPAGES_ALWAYS, /* the pool is the resource */
};

struct place_policy {
	enum place_memory_only memory_only_nodes;
	enum place_hugepages hugepages;
	bool count_reclaimable;		/* numad's -C */
	unsigned smt_percent;		/* numad's -t: what a sibling adds to its core */
	uint64_t promise_ns;		/* how long an answer is held for a guest not seen yet */
	unsigned reserve_permille;	/* per node, of its total; never below the watermark */
	uint64_t guest_overhead_bytes;	/* what QEMU needs beside the guest's RAM */
	struct place_set reserved_cpus; /* numad's -R */
};

/* ---- what the host looks like to a decision: decide/model ------------------------------- */

enum place_node_flag {
	PLACE_NODE_HAS_CPUS = 1 << 0, /* at least one that the guest may use */
	PLACE_NODE_HAS_MEMORY = 1 << 1,
	PLACE_NODE_ALLOWED = 1 << 2,  /* inside the cpusets the guest will live in */
	PLACE_NODE_ELIGIBLE = 1 << 3, /* may be in an answer */
	PLACE_NODE_OVERFLOW = 1 << 4, /* memory-only, and only behind eligible ones */
	PLACE_NODE_MEMORY_KNOWN = 1 << 5,
};

struct place_node_model {
	unsigned id;
	unsigned flags;	 /* of enum place_node_flag */
	unsigned n_cpus; /* that the guest may use */
	uint64_t capacity_millicpu;
	uint64_t committed_millicpu; /* vCPUs of guests and promises */
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t reclaimable_bytes;
	uint64_t reserve_bytes;
	uint64_t promised_bytes; /* guests' untouched memory + answers not taken up */
	uint64_t usable_bytes;	 /* free + reclaimable - reserve - promised, at least 0 */
	uint64_t pool_bytes;	 /* the largest pool's free pages, less what is promised */
	uint64_t pool_promised_bytes;
	/* Room less what can only come from here: what may come from several nodes goes by it. */
	uint64_t left_bytes;
	/* Work space of place_model_build(), meaningless afterwards. */
	uint64_t weight;
	unsigned first_word, end_word; /* of cpus: where its bits are */
};

struct place_model {
	size_t n_nodes;
	struct place_node_model *nodes; /* same order as the topology */
	const uint8_t *distance;
	uint64_t now_ns;
};

/* ---- the answer: decide/advise ----------------------------------------------------------- */

struct place_request {
	uint32_t vcpus_centi;
	uint64_t memory_bytes;
};

/* Why a node is in the answer, or is not. Words: place_reason_text(). */
enum place_reason {
	PLACE_REASON_CHOSEN,	     /* the answer, or part of it */
	PLACE_REASON_CHOSEN_NO_ROOM, /* part of the answer although nothing holds the request */
	PLACE_REASON_WORSE_BALANCE,  /* would hold the request, another leaves a better balance */
	PLACE_REASON_WORSE_SET,	     /* part of no set that is as small and as near */
	PLACE_REASON_TOO_LITTLE_MEMORY,
	PLACE_REASON_TOO_FEW_CPUS,
	PLACE_REASON_NO_MEMORY,	  /* memory-less node */
	PLACE_REASON_NO_CPUS,	  /* memory-only node, or no CPU of it may be used */
	PLACE_REASON_NOT_ALLOWED, /* outside the cpuset */
	PLACE_REASON_UNREADABLE,
	PLACE_REASON_COUNT,
};

/* What the whole answer is. */
enum place_verdict {
	PLACE_VERDICT_ONE_NODE, /* one node holds the request */
	PLACE_VERDICT_SEVERAL,	/* the fewest, nearest nodes hold it together */
	PLACE_VERDICT_OVERFLOW, /* only together with memory-only nodes */
	PLACE_VERDICT_NO_ROOM,	/* nothing holds it: the set with most room */
	PLACE_VERDICT_BLIND,	/* memory could not be read: a guess inside what is allowed */
	PLACE_VERDICT_COUNT,
};

struct place_advice {
	struct place_set nodes;
	enum place_verdict verdict;
	uint64_t usable_bytes; /* of the nodes together, before the guest */
	size_t n_nodes;
	enum place_reason *reasons; /* per node, same order as the model */
};

/* ---- who moves: decide/plan --------------------------------------------------------------- */

/* What is to be done with a guest, and so why nothing is. Words: place_fate_word(). */
enum place_fate {
	PLACE_FATE_UNKNOWN,   /* no evidence yet */
	PLACE_FATE_LOCAL,     /* its accesses are local enough */
	PLACE_FATE_IDLE,      /* too little CPU use for it to matter */
	PLACE_FATE_CLASS,     /* its class is not moved */
	PLACE_FATE_HELD_OFF,  /* moved, or tried, a short time ago */
	PLACE_FATE_NO_ROOM,   /* no other node has room for it after its reserve */
	PLACE_FATE_NO_BETTER, /* advice names the nodes where it is */
	PLACE_FATE_NOT_WORTH, /* the move would not pay for itself in time */
	PLACE_FATE_CELLS,     /* no node holds it: each of its NUMA cells has one (cells.h) */
	PLACE_FATE_WAITING,   /* another guest goes first */
	PLACE_FATE_PAUSED,    /* moving is switched off */
	PLACE_FATE_MOVE,      /* its step is in the plan */
	PLACE_FATE_MOVING,
	PLACE_FATE_COUNT,
};

/* Why memory goes. Words: place_cause_word(). */
enum place_cause {
	PLACE_CAUSE_LOCALITY, /* its own accesses are remote */
	PLACE_CAUSE_ARRIVAL,  /* another would be swapped or killed for want of its place */
	PLACE_CAUSE_GROWTH,   /* another would come to lie elsewhere too */
	PLACE_CAUSE_COUNT,
};

/* Memory of one guest that is to go to one node. */
struct place_step {
	int pid;
	uint64_t start_ns;
	unsigned to_node;
	uint64_t bytes; /* that lie elsewhere now */
	unsigned remote_permille;
	/* Its groups have from_node alone, and get to_node (place_class_changes_nodes()). */
	bool changes_nodes;
	unsigned from_node;
	enum place_cause cause;
	int for_pid;	       /* whom it makes room for; 0: nobody, or a promise */
	uint64_t for_bytes;    /* of that promise, 0: none */
	bool keeps_cpus;       /* its vCPUs stay where they are */
	uint64_t most_bytes;   /* it is over when so much has gone; 0: all goes */
	struct place_set keep; /* other nodes whose pages may stay where they are */
};

#define PLACE_STEPS_MAX 8

struct place_plan {
	size_t n_steps;
	struct place_step steps[PLACE_STEPS_MAX];
	enum place_fate *fates; /* per guest, same order as the sample */
	/*
	 * Up to which they were weighed in turn, all and those of the system: kept from plan to
	 * plan.
	 */
	int after_pid, after_system_pid;
};

/* ---- who may come to harm: decide/pressure ------------------------------------------------- */

/* What may happen to a guest that takes all it may. Words: place_risk_word(). Ascending. */
enum place_risk {
	PLACE_RISK_UNKNOWN,  /* a fact is missing: nothing is said */
	PLACE_RISK_NONE,     /* it fits */
	PLACE_RISK_LOCALITY, /* some of it would lie elsewhere than it should */
	PLACE_RISK_SWAP,     /* its nodes would be reclaimed, it and others swapped */
	PLACE_RISK_KILL,     /* and swap does not hold that, or a hugepage pool runs out */
	PLACE_RISK_COUNT,
};

/* What helps. */
enum place_remedy {
	PLACE_REMEDY_NONE,
	PLACE_REMEDY_MODE, /* preferred or interleave, or other nodes: there is room on them */
	PLACE_REMEDY_ROOM, /* no node has it: fewer guests, less memory, more swap */
	PLACE_REMEDY_POOL, /* more hugepages on its nodes */
	PLACE_REMEDY_COUNT,
};

/* How near the kernel is to swapping on a node. Words: place_nearness_word(). Ascending. */
enum place_nearness {
	PLACE_NEARNESS_UNKNOWN,
	PLACE_NEARNESS_CALM,
	PLACE_NEARNESS_CLOSE,	/* the next page may begin it */
	PLACE_NEARNESS_RECLAIM, /* the kernel looks for pages to take */
	PLACE_NEARNESS_SWAP,	/* and writes them out, or reads them back */
	PLACE_NEARNESS_COUNT,
};

struct place_pressure {
	enum place_risk risk;
	enum place_remedy remedy;
	enum place_nearness nearness; /* the worst of its nodes */
	bool is_pool;		      /* the figures are of hugepages of its size */
	bool is_home;		      /* its nodes are home_node alone */
	bool is_by_cpuset;	      /* its nodes are guest.allowed; else guest.mems */
	unsigned home_node;
	bool is_unswappable; /* swap is there, and none of the groups on its nodes may use it */
	bool is_by_cell;     /* its cells were judged each on its node; short_node lacks most */
	unsigned short_node;
	uint64_t short_node_bytes; /* of short_bytes, there */
	uint64_t limit_bytes;	   /* what it may have: less what is ballooned away */
	uint64_t growth_bytes;	   /* of it not taken yet */
	uint64_t room_bytes;	   /* on its nodes, after their reserve */
	uint64_t neighbours_bytes; /* of the room, promised to others */
	uint64_t short_bytes;	   /* growth for which there is no place on its nodes */
	uint64_t spare_bytes;	   /* how far it is from the next worse risk; UINT64_MAX: far */
	uint64_t elsewhere_bytes;  /* what all other nodes have to spare */
	bool has_better;	   /* one of them alone has what is short: better_node */
	unsigned better_node;
};
