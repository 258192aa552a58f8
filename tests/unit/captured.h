/* SPDX-License-Identifier: Apache-2.0 */
/* What the code under test prints, as a string. */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#define CAPTURED_MAX 16384

/* One of stdout and stderr. */
struct captured {
	FILE *stream, *file;
	int saved;
	char text[CAPTURED_MAX];
};

/* From here on, what is written to @stream goes to a file. */
static inline void capture_begin(struct captured *c, FILE *stream)
{
	fflush(stream);
	c->stream = stream;
	c->file = tmpfile();
	c->saved = dup(fileno(stream));
	assert(c->file && c->saved >= 0);
	if (dup2(fileno(c->file), fileno(stream)) < 0)
		assert(0);
}

/* Puts the stream back. What was written, until the next begin. */
static inline const char *capture_end(struct captured *c)
{
	size_t n;

	fflush(c->stream);
	if (dup2(c->saved, fileno(c->stream)) < 0)
		assert(0);
	close(c->saved);
	rewind(c->file);
	n = fread(c->text, 1, sizeof(c->text) - 1, c->file);
	c->text[n] = '\0';
	fclose(c->file);
	return c->text;
}
