/*
 * diagnose.c: what bytes are that should be CSV with a header and are not.
 */
#include "pure/diagnose.h"

#include <stdio.h>
#include <string.h>

#include "pure/line.h"
#include "pure/number.h"
#include "pure/reader.h"
#include "pure/utf8.h"

typedef struct Magic
{
	const char *bytes;
	size_t		len;
	const char *name;
} Magic;

#define MAGIC(bytes, name)	{bytes, sizeof(bytes) - 1, name}

/* Longer ones before those they begin with. */
static const Magic magics[] = {
	MAGIC("PK\x03\x04", "a zip archive (or a spreadsheet that is one)"),
	MAGIC("PK\x05\x06", "an empty zip archive"),
	MAGIC("\x28\xb5\x2f\xfd", "compressed with zstd"),
	MAGIC("BZh", "compressed with bzip2 (bz2)"),
	MAGIC("\xfd" "7zXZ", "compressed with xz"),
	MAGIC("\x04\x22\x4d\x18", "compressed with lz4"),
	MAGIC("\x02\x21\x4c\x18", "compressed with lz4, in its old format"),
	MAGIC("\xff\x06\x00\x00sNaPpY", "compressed with snappy"),
	MAGIC("7z\xbc\xaf\x27\x1c", "a 7z archive"),
	MAGIC("Rar!\x1a\x07", "a rar archive"),
	MAGIC("\x1f\x9d", "compressed with compress (.Z)"),
	MAGIC("x\x01", "compressed with zlib"),
	MAGIC("x\x9c", "compressed with zlib"),
	MAGIC("x\xda", "compressed with zlib"),
	MAGIC("\x1f\x8b", "gzip inside gzip"),
	MAGIC("PAR1", "a Parquet file"),
	MAGIC("Obj\x01", "an Avro file"),
	MAGIC("ORC", "an ORC file"),
	MAGIC("SQLite format 3", "an SQLite database"),
	MAGIC("\xd0\xcf\x11\xe0", "an old spreadsheet (.xls)"),
	MAGIC("%PDF", "a PDF document"),
	MAGIC("\xff\xfe\x00\x00", "UTF-32 text"),
	MAGIC("\x00\x00\xfe\xff", "UTF-32 text"),
	MAGIC("\xff\xfe", "UTF-16 text"),
	MAGIC("\xfe\xff", "UTF-16 text"),
};

/* Are of each `width` bytes at the start all 0 but one, and that always at the same place? */
static bool
is_wide(SlmSlice start, uint32_t width)
{
	uint32_t	n = start.len / width < 8 ? start.len / width : 8;

	for (uint32_t place = 0; n > 1 && place < width; place += width - 1)
	{
		uint32_t	i = 0;

		while (i < n * width && (start.data[i] != '\0') == (i % width == place))
			i++;
		if (i == n * width)
			return true;
	}
	return false;
}

const char *
slm_diagnose_format(SlmSlice start)
{
	static const char tar[] = "ustar";
	static const size_t tar_at = 257;

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
	{
		if (start.len >= magics[i].len && memcmp(start.data, magics[i].bytes, magics[i].len) == 0)
			return magics[i].name;
	}
	if (start.len >= tar_at + strlen(tar) && memcmp(start.data + tar_at, tar, strlen(tar)) == 0)
		return "a tar archive";
	if (is_wide(start, 4))
		return "UTF-32 text";
	if (is_wide(start, 2))
		return "UTF-16 text";
	start = slm_trim(start);
	if (start.len > 0 && (start.data[0] == '{' || start.data[0] == '['))
		return "JSON";
	return NULL;
}

const char *
slm_diagnose_binary(SlmSlice start)
{
	static const Magic binary[] = {
		MAGIC("\x1f\x8b\x08", "gzip data"),
		MAGIC("PK\x03\x04", "a zip archive"),
		MAGIC("\x28\xb5\x2f\xfd", "zstd data"),
		MAGIC("\xfd" "7zXZ", "xz data"),
		MAGIC("\x04\x22\x4d\x18", "lz4 data"),
	};

	for (size_t i = 0; i < sizeof(binary) / sizeof(binary[0]); i++)
	{
		if (start.len >= binary[i].len && memcmp(start.data, binary[i].bytes, binary[i].len) == 0)
			return binary[i].name;
	}
	return NULL;
}

bool
slm_diagnose_near(SlmSlice cell, const char *column)
{
	uint32_t	at = 0;

	for (uint32_t i = 0; i < cell.len; i++)
	{
		char		c = cell.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
			continue;
		at += column[at] == '_';
		if (column[at] != c)
			return false;
		at++;
	}
	return column[at] == '\0';
}

/* How many names of columns the line has, if its fields were separated by this. */
static int
columns_by(SlmSlice line, char separator)
{
	int			n = 0;
	const char *end = line.data + line.len;

	for (const char *p = line.data; p != NULL;)
	{
		const char *next = p < end ? memchr(p, separator, (size_t) (end - p)) : NULL;
		SlmSlice	name = {p, (uint32_t) ((next != NULL ? next : end) - p)};

		name = slm_trim(slm_cell_inside(slm_trim(name)));
		for (int c = 0; c < SLM_COLUMNS; c++)
			n += slm_is_name(name, slm_column_name((SlmColumn) c));
		p = next != NULL ? next + 1 : NULL;
	}
	return n;
}

const char *
slm_diagnose_separator(SlmSlice line)
{
	static const struct
	{
		char		c;
		const char *name;
	}			separators[] = {
		{';', "semicolons (;)"}, {'\t', "tabs"}, {'|', "bars (|)"}, {':', "colons (:)"}, {' ', "blanks"},
		{'\x01', "the byte 0x01"}, {'\x1f', "the byte 0x1f"}
	};
	int			by_comma = columns_by(line, ',');

	for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]); i++)
	{
		int			n = columns_by(line, separators[i].c);

		if (n > 1 && n > by_comma)
			return separators[i].name;
	}
	return NULL;
}

typedef struct Unseen
{
	const char *bytes;
	const char *name;
} Unseen;

static const Unseen unseen[] = {
	{"\xe2\x80\x8b", "zero-width space (U+200B)"},
	{"\xef\xbb\xbf", "byte order mark (U+FEFF)"},
	{"\xc2\xa0", "no-break space (U+00A0)"},
	{"\xc2\xad", "soft hyphen (U+00AD)"},
	{"\xe2\x80\x8c", "zero-width non-joiner (U+200C)"},
	{"\xe2\x80\x8d", "zero-width joiner (U+200D)"},
	{"\xe2\x80\x8e", "left-to-right mark (U+200E)"},
	{"\xe2\x80\x8f", "right-to-left mark (U+200F)"},
	{"\xe2\x80\xaf", "narrow no-break space (U+202F)"},
	{"\xe2\x81\xa0", "word joiner (U+2060)"},
	{"\xe3\x80\x80", "ideographic space (U+3000)"},
};

static const Unseen *
unseen_at(const char *p, size_t len)
{
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
	{
		if (len >= strlen(unseen[i].bytes) && memcmp(p, unseen[i].bytes, strlen(unseen[i].bytes)) == 0)
			return &unseen[i];
	}
	return NULL;
}

const char *
slm_diagnose_unseen(SlmSlice name, const char *column)
{
	char		seen[32];
	uint32_t	n = 0;
	const char *found = NULL;

	for (uint32_t i = 0; i < name.len;)
	{
		const Unseen *at = unseen_at(name.data + i, name.len - i);

		if (at != NULL)
		{
			found = at->name;
			i += (uint32_t) strlen(at->bytes);
		}
		else if (n == sizeof(seen))
			return NULL;
		else
			seen[n++] = name.data[i++];
	}
	return found != NULL && slm_is_name(slm_trim((SlmSlice) {seen, n}), column) ? found : NULL;
}

void
slm_diagnose_byte(uint8_t byte, char text[48])
{
	if (byte >= 0xa1)
		snprintf(text, 48, ": 0x%02x, which would be \"%c%c\" in cp1252", byte, byte < 0xc0 ? 0xc2 : 0xc3, (byte & 0x3f) | 0x80);
	else
		snprintf(text, 48, ": 0x%02x%s", byte, byte >= 0x80 ? " (is it cp1252?)" : "");
}
