/*
 * files.h: rows into files, files into the directory in time.
 *
 *   row --deal--> file of (minute, server) --minute over--> .name --rename--> name
 *                                                             \--hold back--> name, later or elsewhere
 */
#ifndef TRAFFIC_FILES_H
#define TRAFFIC_FILES_H

#include <stdio.h>

#include "format.h"

/* One file under construction. */
typedef struct OutFile
{
	bool		open;
	int			server;			/* 1 ... */
	Style		style;
	Buffer		buffer;			/* rows not yet written */
	size_t		last_row;		/* where in buffer the last row starts */
	bool		last_row_bad;
	uint64_t	rows;
	uint64_t	bad[BAD_KINDS];
} OutFile;

/* A file that is complete but held back under its dot-name. */
typedef struct Held
{
	int64_t		due;			/* event time, Unix */
	char	   *from;
	char	   *to;
} Held;

typedef struct Files
{
	const Options *options;
	FILE	   *truth;
	Rng			deal;
	Rng			choose;
	Rng			spell;
	Rng			spoil;
	Clock		clock;
	int64_t		minute;			/* Unix time of the open minute; -1 = none */
	int64_t		start;			/* event time that the pace counts from */
	double		wall_start;		/* and the clock's time then */
	OutFile    *file;			/* one a server; or one in all */
	int			n_files;
	const char *header;			/* of split: the header line behind event_time; else NULL */
	struct Sink *one;			/* the one file */
	Held	   *held;
	size_t		n_held;
	size_t		held_size;		/* room in held */
	uint64_t	rows;			/* totals */
	uint64_t	bytes;
	uint64_t	files;
	uint64_t	bad[BAD_KINDS];
} Files;

/* Set by SIGINT and SIGTERM: finish what is begun, then stop. */
extern volatile int stopped;

extern void files_open(Files *files, const Options *options, int64_t start);

/* Time has come to second: write the files of minutes that are over, at the right moment of the clock if paced. */
extern void files_time(Files *files, int64_t second);

/* The file that a row of the open minute goes to; home says which server its session prefers, 0 .. 65535. */
extern OutFile *files_deal(Files *files, uint16_t home);

/* Write an event into the open minute. */
extern void files_event(Files *files, const Event *event);

/* Write a row that is given from the comma behind its time on, or, without timed, whole. */
extern void files_raw(Files *files, uint16_t home, bool timed, const char *rest, size_t len);

/* Write all that is left, and the totals. */
extern void files_close(Files *files);

/* A line of ground truth: a JSON object's inside. */
extern void files_truth(Files *files, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif							/* TRAFFIC_FILES_H */
