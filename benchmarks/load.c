/*
 * The clients of the benchmark: compiled, so that the load is never the bottleneck.
 *
 *   load rpc HOST COUNT SOCKETS WINDOW VERSION   GETPORT of mountd over UDP; VERSION 1 asks for another port each time
 *   load ftp HOST CONNECTIONS COUNT COMMAND      login, then COUNT times COMMAND (PASV, EPSV) and RETR on each connection
 *   load tftp HOST COUNT PARALLEL                read requests, each from a socket of its own
 *   load ssdp GROUP COUNT RATE                   searches, RATE a second, each from a socket of its own
 *   load bulk HOST                               read one connection on port 21 to its end
 *   load flood HOST COUNT                        datagrams on port 111 that are no RPC, then one call that must be answered
 *
 * Each prints one line of JSON. Every run is bounded in count; a transaction that gets no answer in time is sent again
 * and counted as lost. Traffic goes to the lab's own namespaces only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 2000 /* without any answer for so long, what is outstanding is sent again */
#define TRIES 20         /* so often; then the run fails */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(const char *host, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		die(host);
	return sin;
}

static int connected(int type, const char *host, int port)
{
	struct sockaddr_in sin = address(host, port);
	struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_INET, type, 0), yes = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("connect");
	return fd;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(double seconds, double *latencies, long count, long lost)
{
	qsort(latencies, count, sizeof(*latencies), by_value);
	printf("{\"count\": %ld, \"per_s\": %.1f, \"median_ms\": %.4f, \"p99_ms\": %.4f, \"lost\": %ld}\n", count,
	       count / seconds, latencies[count / 2] * 1e3, latencies[count * 99 / 100] * 1e3, lost);
}

/* RPC: every word of a GETPORT call (RFC 1833, section 3) but its transaction id */

static void getport(unsigned char *call, unsigned id, unsigned version)
{
	unsigned words[] = { id, 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100005, version, IPPROTO_TCP, 0 };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		unsigned word = htonl(words[i]);

		memcpy(call + 4 * i, &word, 4);
	}
}

#define CALL_SIZE 56

static int rpc(char **argv)
{
	long count = atol(argv[1]), sockets = atol(argv[2]), window = atol(argv[3]), version = atol(argv[4]);
	long sent = 0, received = 0, lost = 0, *outstanding = calloc(sockets, sizeof(*outstanding));
	double *begun = calloc(count, sizeof(*begun)), *latencies = calloc(count, sizeof(*latencies));
	struct pollfd *fds = calloc(sockets, sizeof(*fds));
	long *owner = calloc(count, sizeof(*owner));
	unsigned char call[CALL_SIZE], answer[256];
	double start;
	int tries = 0;

	for (long i = 0; i < sockets; i++) {
		fds[i].fd = connected(SOCK_DGRAM, argv[0], 111);
		fds[i].events = POLLIN;
		fcntl(fds[i].fd, F_SETFL, O_NONBLOCK);
	}
	start = now();
	while (received < count) {
		for (long i = 0; i < sockets; i++)
			for (; sent < count && outstanding[i] < window; outstanding[i]++, sent++) {
				getport(call, sent, version);
				owner[sent] = i;
				begun[sent] = now();
				if (send(fds[i].fd, call, sizeof(call), 0) < 0 && errno != EAGAIN && errno != ENOBUFS)
					die("send");
			}
		if (poll(fds, sockets, PATIENCE_MS) == 0) {
			if (++tries > TRIES)
				die("no answers");
			for (long id = 0; id < sent; id++)
				if (!latencies[id]) {
					getport(call, id, version);
					send(fds[owner[id]].fd, call, sizeof(call), 0);
					lost++;
				}
			continue;
		}
		for (long i = 0; i < sockets; i++) {
			ssize_t size;

			if (!fds[i].revents)
				continue;
			while ((size = recv(fds[i].fd, answer, sizeof(answer), 0)) >= 28) {
				unsigned id;

				memcpy(&id, answer, 4);
				id = ntohl(id);
				if (id >= sent || latencies[id])
					continue;
				latencies[id] = now() - begun[id];
				outstanding[i]--;
				received++;
			}
		}
	}
	report(now() - start, latencies, count, lost);
	return 0;
}

/* work that several threads share: each takes the next number until all are done */

struct crowd {
	const char *host, *command, *code;
	long count, taken, lost;
	double *latencies;
	pthread_mutex_t lock;
};

static long take(struct crowd *crowd)
{
	long mine;

	pthread_mutex_lock(&crowd->lock);
	mine = crowd->taken < crowd->count ? crowd->taken++ : -1;
	pthread_mutex_unlock(&crowd->lock);
	return mine;
}

static void lose(struct crowd *crowd)
{
	pthread_mutex_lock(&crowd->lock);
	crowd->lost++;
	pthread_mutex_unlock(&crowd->lock);
}

static int together(struct crowd *crowd, long threads, void *(*work)(void *))
{
	pthread_t *ids = calloc(threads, sizeof(*ids));
	double start = now();

	crowd->latencies = calloc(crowd->count, sizeof(double));
	pthread_mutex_init(&crowd->lock, NULL);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, crowd))
			die("pthread_create");
	for (long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	report(now() - start, crowd->latencies, crowd->count, crowd->lost);
	return 0;
}

/* FTP */

struct session {
	int fd;
	size_t held;
	char buffer[1024];
};

static void reply(struct session *session, const char *code, char *line)
{
	char *end;

	while (!(end = memchr(session->buffer, '\n', session->held))) {
		ssize_t size = recv(session->fd, session->buffer + session->held,
				    sizeof(session->buffer) - session->held, 0);

		if (size <= 0)
			die("ftp: the server hung up");
		session->held += size;
	}
	memcpy(line, session->buffer, end - session->buffer);
	line[end - session->buffer] = 0;
	session->held -= end + 1 - session->buffer;
	memmove(session->buffer, end + 1, session->held);
	if (strncmp(line, code, 3)) {
		fprintf(stderr, "load: ftp: %s instead of %s\n", line, code);
		exit(1);
	}
}

static void command(struct session *session, const char *text, const char *code, char *line)
{
	if (send(session->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		die("ftp: send");
	reply(session, code, line);
}

static int announced(const char *line)
{
	unsigned a, b, c, d, high, low;
	const char *numbers = strchr(line, '(');

	if (!strncmp(line, "229", 3))
		return numbers ? atoi(numbers + 4) : 0;
	if (!numbers || sscanf(numbers, "(%u,%u,%u,%u,%u,%u)", &a, &b, &c, &d, &high, &low) != 6)
		return 0;
	return high << 8 | low;
}

static void *ftp_session(void *argument)
{
	struct crowd *crowd = argument;
	struct session session = { .fd = connected(SOCK_STREAM, crowd->host, 21) };
	char line[1025], data[4096];
	long first;

	reply(&session, "220", line);
	command(&session, "USER load\r\n", "331", line);
	command(&session, "PASS load\r\n", "230", line);
	while ((first = take(crowd)) >= 0) {
		double start = now();
		int port, fd;

		command(&session, crowd->command, crowd->code, line);
		port = announced(line);
		fd = connected(SOCK_STREAM, crowd->host, port);
		command(&session, "RETR file\r\n", "150", line);
		while (recv(fd, data, sizeof(data), 0) > 0)
			;
		close(fd);
		reply(&session, "226", line);
		crowd->latencies[first] = now() - start;
	}
	close(session.fd);
	return NULL;
}

static int ftp(char **argv)
{
	long connections = atol(argv[1]);
	int extended = !strcmp(argv[3], "EPSV");
	struct crowd crowd = {
		.host = argv[0],
		.command = extended ? "EPSV\r\n" : "PASV\r\n",
		.code = extended ? "229" : "227",
		.count = connections * atol(argv[2]),
	};

	return together(&crowd, connections, ftp_session);
}

/* TFTP (RFC 1350) */

static void *tftp_reader(void *argument)
{
	static const char request[] = "\0\1file\0octet";
	struct crowd *crowd = argument;
	struct sockaddr_in server = address(crowd->host, 69);
	long number;

	while ((number = take(crowd)) >= 0) {
		struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
		int fd = socket(AF_INET, SOCK_DGRAM, 0), tries = 0;
		double start = now();

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		for (;;) {
			struct sockaddr_in from;
			socklen_t length = sizeof(from);
			unsigned char data[600];

			if (sendto(fd, request, sizeof(request), 0, (struct sockaddr *)&server, sizeof(server)) < 0)
				die("tftp: send");
			if (recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &length) >= 4) {
				unsigned char ack[] = { 0, 4, data[2], data[3] };

				sendto(fd, ack, sizeof(ack), 0, (struct sockaddr *)&from, length);
				break;
			}
			if (++tries > TRIES)
				die("tftp: no answer");
			lose(crowd);
		}
		crowd->latencies[number] = now() - start;
		close(fd);
	}
	return NULL;
}

static int tftp(char **argv)
{
	struct crowd crowd = { .host = argv[0], .count = atol(argv[1]) };

	return together(&crowd, atol(argv[2]), tftp_reader);
}

/* SSDP: at a given rate, as a control point does; what gets no answer is lost and not asked again */

static int ssdp(char **argv)
{
	static const char search[] = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n"
				     "MX: 1\r\nST: ssdp:all\r\n\r\n";
	long count = atol(argv[1]), rate = atol(argv[2]), answered = 0, sent = 0, open_sockets = 0;
	struct sockaddr_in group = address(argv[0], 1900);
	double *begun = calloc(count, sizeof(*begun)), *latencies = calloc(count, sizeof(*latencies)), start = now(), end;
	struct pollfd *fds = calloc(count, sizeof(*fds));

	for (end = start + (double)count / rate + PATIENCE_MS / 1e3; now() < end && (sent < count || open_sockets);) {
		int wait = 1;

		while (sent < count && now() >= start + (double)sent / rate) {
			fds[sent].fd = socket(AF_INET, SOCK_DGRAM, 0);
			fds[sent].events = POLLIN;
			if (fds[sent].fd < 0)
				die("socket");
			begun[sent] = now();
			if (sendto(fds[sent].fd, search, sizeof(search) - 1, 0, (struct sockaddr *)&group, sizeof(group)) < 0)
				die("ssdp: send");
			sent++;
			open_sockets++;
		}
		if (poll(fds, sent, wait) <= 0)
			continue;
		for (long i = 0; i < sent; i++)
			if (fds[i].fd >= 0 && fds[i].revents) {
				latencies[answered++] = now() - begun[i];
				close(fds[i].fd);
				fds[i].fd = -1;
				open_sockets--;
			}
	}
	if (!answered)
		die("ssdp: no answer");
	printf("{\"asked\": %ld, ", count);
	qsort(latencies, answered, sizeof(*latencies), by_value);
	printf("\"count\": %ld, \"per_s\": %.1f, \"median_ms\": %.4f, \"p99_ms\": %.4f, \"lost\": %ld}\n", answered,
	       answered / (now() - start), latencies[answered / 2] * 1e3, latencies[answered * 99 / 100] * 1e3,
	       count - answered);
	return 0;
}

static int bulk(char **argv)
{
	static char data[1 << 20];
	int fd = connected(SOCK_STREAM, argv[0], 21);
	double start = now(), total = 0;
	ssize_t size;

	if (send(fd, "BULK\r\n", 6, 0) != 6)
		die("send");
	while ((size = recv(fd, data, sizeof(data), 0)) > 0)
		total += size;
	if (size < 0)
		die("bulk");
	printf("{\"count\": 1, \"mb_per_s\": %.2f}\n", total / 1e6 / (now() - start));
	return 0;
}

static int flood(char **argv)
{
	long count = atol(argv[1]);
	int fd = connected(SOCK_DGRAM, argv[0], 111), last = connected(SOCK_DGRAM, argv[0], 111);
	unsigned char call[CALL_SIZE], answer[256], garbage[CALL_SIZE];
	double start = now();

	memset(garbage, 0x5a, sizeof(garbage));
	for (long i = 0; i < count; i++) {
		memcpy(garbage, &i, 4);
		while (send(fd, garbage, sizeof(garbage), 0) < 0 && errno == ENOBUFS)
			;
	}
	/* behind all that is queued */
	getport(call, 1, 3);
	for (int tries = 0;; tries++) {
		struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

		setsockopt(last, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (send(last, call, sizeof(call), 0) < 0 || tries > TRIES)
			die("flood: the call after it is not answered");
		if (recv(last, answer, sizeof(answer), 0) >= 28)
			break;
	}
	printf("{\"count\": %ld, \"per_s\": %.1f}\n", count, count / (now() - start));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments, (*run)(char **);
	} modes[] = {
		{ "rpc", 5, rpc }, { "ftp", 4, ftp }, { "tftp", 3, tftp },
		{ "ssdp", 3, ssdp }, { "bulk", 1, bulk }, { "flood", 2, flood },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name) && argc - 2 == modes[i].arguments)
			return modes[i].run(argv + 2);
	fprintf(stderr, "usage: see the first lines of load.c\n");
	return 2;
}
