/*
 * Calls and streams, with their server:
 *
 *   voice serve ADDRESS            5060/udp: answers each INVITE, and sends a packet of RTP at its ACK
 *                                  554/tcp: RTSP, with the data within the connection
 *   voice sip ADDRESS COUNT PHONES OWN
 *                                  COUNT calls of so many phones at OWN, each at a port of its own, one at a time each:
 *                                  INVITE, 180, 200, ACK, the callee's RTP, BYE, 200
 *   voice rtsp ADDRESS MEGABYTES   SETUP, PLAY, so much data
 *
 * The last two print figures as JSON. A call has ports of its own, so that its media need an expectation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 2000 /* without an answer for so long, a message is sent again */
#define TRIES 20         /* so often; then the run fails */
#define CALLS 10000      /* that have different ports */
#define FRAME 1400

static const char *host, *own = "0.0.0.0";

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "voice: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(const char *name, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, name, &sin.sin_addr) != 1)
		die(name);
	return sin;
}

static int bound(int type, const char *name, int port)
{
	struct sockaddr_in sin = address(name, port);
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_INET, type, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("bind");
	return fd;
}

static const char *value(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	if (!found) {
		fprintf(stderr, "voice: no %s in:\n%s\n", name, text);
		exit(1);
	}
	return found + strlen(name);
}

static int described(char *text, size_t room, const char *at, int port)
{
	return snprintf(text, room,
			"v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
			"m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n", at, at, port);
}

/* the server */

static void *sip_server(void *argument)
{
	static struct sockaddr_in media[CALLS];
	static const char rtp[12] = { (char)0x80 };
	int fd = bound(SOCK_DGRAM, host, 5060), from_socket = bound(SOCK_DGRAM, host, 7000);
	char request[2048], answer[4096], body[512], name[64];

	(void)argument;
	for (;;) {
		struct sockaddr_in from;
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, request, sizeof(request) - 1, 0, (struct sockaddr *)&from, &length);
		const char *fields, *end;
		long number;

		if (size <= 0)
			continue;
		request[size] = 0;
		number = atol(value(request, "Call-ID: ")) % CALLS;
		if (!strncmp(request, "ACK", 3)) {
			sendto(from_socket, rtp, sizeof(rtp), 0, (struct sockaddr *)&media[number], sizeof(media[0]));
			continue;
		}
		/* Via to CSeq, as the load writes them */
		fields = strstr(request, "Via:");
		end = strstr(request, "Contact:");
		if (!strncmp(request, "INVITE", 6)) {
			sscanf(value(request, "c=IN IP4 "), "%63[0-9.]", name);
			media[number] = address(name, atoi(value(request, "m=audio ")));
			size = snprintf(answer, sizeof(answer), "SIP/2.0 180 Ringing\r\n%.*sContent-Length: 0\r\n\r\n",
					(int)(end - fields), fields);
			sendto(fd, answer, size, 0, (struct sockaddr *)&from, length);
			described(body, sizeof(body), host, 20000 + 4 * (int)number);
		} else {
			*body = 0;
		}
		size = snprintf(answer, sizeof(answer), "SIP/2.0 200 OK\r\n%.*s%sContent-Length: %zu\r\n\r\n%s",
				(int)(end - fields), fields, *body ? "Content-Type: application/sdp\r\n" : "",
				strlen(body), body);
		sendto(fd, answer, size, 0, (struct sockaddr *)&from, length);
	}
	return NULL;
}

static void rtsp_session(int fd)
{
	static char frames[64 * (4 + FRAME)];
	char request[2048];
	long megabytes = 0;
	ssize_t size;

	for (size_t i = 0; i < sizeof(frames); i += 4 + FRAME)
		memcpy(frames + i, (char[]){ '$', 0, FRAME >> 8, FRAME & 255 }, 4);
	while ((size = recv(fd, request, sizeof(request) - 1, 0)) > 0) {
		int play;

		request[size] = 0;
		play = !strncmp(request, "PLAY", 4);
		megabytes = play ? atol(value(request, "/")) : 0;
		dprintf(fd, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: 1\r\n%s\r\n", atoi(value(request, "CSeq: ")),
			play ? "" : "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
		if (!play)
			continue;
		for (double left = megabytes * 1e6; left > 0; left -= sizeof(frames))
			for (size_t done = 0; done < sizeof(frames); done += size)
				if ((size = send(fd, frames + done, sizeof(frames) - done, MSG_NOSIGNAL)) <= 0)
					return;
		return;
	}
}

static int serve(char **argv)
{
	int fd, peer;
	pthread_t id;

	host = argv[0];
	if (pthread_create(&id, NULL, sip_server, NULL))
		die("pthread_create");
	fd = bound(SOCK_STREAM, host, 554);
	if (listen(fd, 16) < 0)
		die("listen");
	printf("listening\n");
	fflush(stdout);
	while ((peer = accept(fd, NULL, NULL)) >= 0) {
		rtsp_session(peer);
		close(peer);
	}
	die("accept");
	return 1;
}

/* SIP */

static struct {
	pthread_mutex_t lock;
	long taken, count, lost;
	double *latencies;
} calls = { .lock = PTHREAD_MUTEX_INITIALIZER };

static long take(long lost)
{
	long number;

	pthread_mutex_lock(&calls.lock);
	number = calls.taken < calls.count ? calls.taken++ : -1;
	calls.lost += lost;
	pthread_mutex_unlock(&calls.lock);
	return number;
}

static int written(char *text, size_t room, const char *method, int cseq, long number, int port, const char *body)
{
	return snprintf(text, room,
			"%s sip:callee@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;rport;branch=z9hG4bK-%ld-%d\r\n"
			"From: <sip:caller@example.org>;tag=1\r\nTo: <sip:callee@example.org>\r\n"
			"Call-ID: %ld\r\nCSeq: %d %s\r\nContact: <sip:caller@%s:%d>\r\nMax-Forwards: 70\r\n%s"
			"Content-Length: %zu\r\n\r\n%s",
			method, host, own, port, number, cseq, number, cseq, method, own, port,
			*body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

/* Send a request until it is answered by a 200 of this call; return how often it was lost. */
static long ask(int fd, const char *request, int size, long number, const char *method)
{
	char answer[4096];
	long lost = 0;

	for (;; lost++) {
		ssize_t got;

		if (lost > TRIES)
			die(method);
		send(fd, request, size, 0);
		while ((got = recv(fd, answer, sizeof(answer) - 1, 0)) > 0) {
			answer[got] = 0;
			if (!strncmp(answer, "SIP/2.0 200", 11) && atol(value(answer, "Call-ID: ")) == number &&
			    strstr(value(answer, "CSeq: "), method))
				return lost;
		}
	}
}

static void *phone(void *argument)
{
	struct sockaddr_in server = address(host, 5060), source;
	socklen_t length = sizeof(source);
	int fd = bound(SOCK_DGRAM, own, 0), port;
	char request[2048], body[512], rtp[64];
	long number, lost = 0;

	(void)argument;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	getsockname(fd, (struct sockaddr *)&source, &length);
	port = ntohs(source.sin_port);
	while ((number = take(lost)) >= 0) {
		int media_port = 20000 + 4 * (number % CALLS), size;
		int media = bound(SOCK_DGRAM, own, media_port);
		double start = now();
		long silent = 0;

		described(body, sizeof(body), own, media_port);
		size = written(request, sizeof(request), "INVITE", 1, number, port, body);
		lost = ask(fd, request, size, number, "INVITE");
		size = written(request, sizeof(request), "ACK", 1, number, port, "");
		do { /* the server sends RTP at each ACK */
			if (silent++ > TRIES)
				die("no RTP");
			send(fd, request, size, 0);
		} while (recv(media, rtp, sizeof(rtp), 0) <= 0);
		lost += silent - 1;
		size = written(request, sizeof(request), "BYE", 2, number, port, "");
		lost += ask(fd, request, size, number, "BYE");
		calls.latencies[number] = now() - start;
		close(media);
	}
	close(fd);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int sip(char **argv)
{
	long phones = atol(argv[2]);
	pthread_t *ids = calloc(phones, sizeof(*ids));
	double start = now(), seconds;

	host = argv[0];
	calls.count = atol(argv[1]);
	own = argv[3];
	calls.latencies = calloc(calls.count, sizeof(double));
	for (long i = 0; i < phones; i++)
		if (pthread_create(&ids[i], NULL, phone, NULL))
			die("pthread_create");
	for (long i = 0; i < phones; i++)
		pthread_join(ids[i], NULL);
	seconds = now() - start;
	qsort(calls.latencies, calls.count, sizeof(double), by_value);
	printf("{\"count\": %ld, \"per_s\": %.1f, \"median_ms\": %.4f, \"p99_ms\": %.4f, \"lost\": %ld}\n", calls.count,
	       calls.count / seconds, calls.latencies[calls.count / 2] * 1e3,
	       calls.latencies[calls.count * 99 / 100] * 1e3, calls.lost);
	return 0;
}

/* RTSP */

static int rtsp(char **argv)
{
	static char data[1 << 20];
	struct sockaddr_in server = address(argv[0], 554);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	double start, total = 0;
	ssize_t size;

	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	dprintf(fd, "SETUP rtsp://%s/a RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
		argv[0]);
	if (recv(fd, data, sizeof(data), 0) <= 0)
		die("SETUP");
	start = now();
	/* the server reads the amount behind the first slash */
	dprintf(fd, "PLAY /%s RTSP/1.0\r\nCSeq: 2\r\nSession: 1\r\n\r\n", argv[1]);
	while ((size = recv(fd, data, sizeof(data), 0)) > 0)
		total += size;
	if (size < 0 || total < atol(argv[1]) * 1e6)
		die("stream");
	printf("{\"count\": 1, \"mb_per_s\": %.2f}\n", total / 1e6 / (now() - start));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments, (*run)(char **);
	} modes[] = { { "serve", 1, serve }, { "sip", 4, sip }, { "rtsp", 2, rtsp } };

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name) && argc - 2 == modes[i].arguments)
			return modes[i].run(argv + 2);
	fprintf(stderr, "usage: see the first lines of voice.c\n");
	return 2;
}
