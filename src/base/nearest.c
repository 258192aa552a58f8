// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known word nearest to one that was mistyped.
#include <string.h>

#include "base/compiler.h"
#include "base/option.h"

#define WORD_MAX 63 /* longer words have no neighbours */

/* How many letters must be inserted, removed, replaced or swapped with the next to turn @a into
 * @b (optimal string alignment). Keeps three rows of the table of distances of all prefixes.
 */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *swap;

	for (size_t j = 0; j <= b_len; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = above[j - 1] + (a[i - 1] != b[j - 1]);

			cost = min(cost, above[j] + 1);
			cost = min(cost, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cost = min(cost, before[j - 2] + 1);
			row[j] = cost;
		}
		swap = before;
		before = above;
		above = row;
		row = swap;
	}
	return above[b_len];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word), best_distance = 0;
	const char *best = NULL;

	if (!len || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other, d;

		if (!words[i])
			continue;
		other = strlen(words[i]);
		if (!other || other > WORD_MAX)
			continue;
		/* The start of a longer word is one step away, whatever is missing. */
		if (len >= 2 && other > len && !memcmp(word, words[i], len))
			d = 1;
		else
			d = distance(word, len, words[i], other);
		/* One mistake in three letters, but never a word of which nothing is left. */
		if (d > max((size_t)1, len / 3) || d >= max(len, other))
			continue;
		if (!best || d < best_distance) {
			best = words[i];
			best_distance = d;
		}
	}
	return best;
}
