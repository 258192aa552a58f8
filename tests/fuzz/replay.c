// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer over the files of its corpus, where libFuzzer is not linked: replay DIRECTORY...

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *dir, const char *name)
{
	char path[4096];
	struct stat st;
	uint8_t *data;
	FILE *file;
	int rc = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		goto out;
	}
	/* Exactly as long as the input: what is read behind its end is found. */
	data = malloc(st.st_size ? st.st_size : 1);
	if (data && fread(data, 1, st.st_size, file) == (size_t)st.st_size) {
		LLVMFuzzerTestOneInput(data, st.st_size);
		rc = 0;
	}
	free(data);
out:
	if (file)
		fclose(file);
	return rc;
}

/* Returns how many inputs there were, or -1. */
static int replay_directory(const char *path)
{
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	dir = opendir(path);
	if (!dir) {
		perror(path);
		return -1;
	}
	while (n >= 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		n = replay_file(path, entry->d_name) < 0 ? -1 : n + 1;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		int more = replay_directory(argv[i]);

		if (more < 0)
			return 1;
		n += more;
	}
	printf("%d inputs\n", n);
	return n ? 0 : 1; /* an empty corpus tests nothing */
}
