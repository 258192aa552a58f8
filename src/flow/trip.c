// SPDX-License-Identifier: Apache-2.0
/* The trip cache: making it, and recording. */
#include <sys/mman.h>

#include "flow/trip.h"

struct trip_cache *trip_cache_create(void)
{
	/* mapped, not allocated: what is not touched costs nothing */
	struct trip_cache *cache = mmap(NULL, sizeof(*cache), PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (cache == MAP_FAILED)
		return NULL;
	cache->secret = hash_secret();
	return cache;
}

void trip_cache_destroy(struct trip_cache *cache)
{
	if (cache)
		munmap(cache, sizeof(*cache));
}

void trip_record(struct trip *trip, const struct trip_key *key, const struct view *view,
		 const struct view_port *in, const struct normal_frame *frame,
		 const struct view_port *out)
{
	struct mac_ref src, dst;

	/* a source that was not learned, or is behind another port by an administrator's word, has
	 * to be looked at each time */
	if (!mac_table_ref(in->bridge->macs, frame->src, frame->vid, &src) ||
	    !mac_table_ref(in->bridge->macs, frame->dst, frame->vid, &dst) ||
	    !mac_ref_is(&src, in->id))
		return;
	*trip = (struct trip){
		.key = *key,
		.origin = trip_origin(view, in),
		.src = src,
		.dst = dst,
		.out = (uint16_t)out->id,
		.tag = normal_out_tag(out, frame),
	};
}
