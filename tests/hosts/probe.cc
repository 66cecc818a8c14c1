// SPDX-License-Identifier: Apache-2.0
//
// probe: what a network between two ranks does: the time of a small message
// there and back, and the rate of a large one. Run by hosts (main.cc), two
// ranks; rank 0 prints "rtt_us 412.0 mbit 98.7".
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int other = 1 - rank;
  constexpr int kRounds = 50;
  std::vector<double> rtt;
  char byte = 0;
  for (int i = 0; i < kRounds; ++i) {
    const double begin = MPI_Wtime();
    if (rank == 0) MPI_Send(&byte, 1, MPI_CHAR, other, 0, MPI_COMM_WORLD);
    MPI_Recv(&byte, 1, MPI_CHAR, other, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank == 1) MPI_Send(&byte, 1, MPI_CHAR, other, 0, MPI_COMM_WORLD);
    rtt.push_back((MPI_Wtime() - begin) * 1e6);
  }
  std::sort(rtt.begin(), rtt.end());
  std::vector<char> data(4 << 20);
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const double begin = MPI_Wtime();
    const int bytes = static_cast<int>(data.size());
    if (rank == 0) {
      MPI_Send(data.data(), bytes, MPI_CHAR, other, 1, MPI_COMM_WORLD);
      MPI_Recv(&byte, 1, MPI_CHAR, other, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
      MPI_Recv(data.data(), bytes, MPI_CHAR, other, 1, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
      MPI_Send(&byte, 1, MPI_CHAR, other, 2, MPI_COMM_WORLD);
    }
    best = std::max(best, bytes * 8e-6 / (MPI_Wtime() - begin));
  }
  if (rank == 0) {
    std::printf("rtt_us %.1f mbit %.1f\n", rtt[kRounds / 2], best);
  }
  MPI_Finalize();
  return 0;
}
