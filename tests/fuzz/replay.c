// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer over the files of its corpus, where libFuzzer is not linked: replay DIRECTORY.

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

int main(int argc, char **argv)
{
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (!dir) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay_file(argv[1], entry->d_name) < 0)
			return 1;
		n++;
	}
	closedir(dir);
	printf("%u inputs\n", n);
	return n ? 0 : 1; /* an empty corpus tests nothing */
}
