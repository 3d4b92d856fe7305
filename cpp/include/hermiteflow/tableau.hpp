#pragma once
// Explicit Runge-Kutta methods as constexpr data; the formulas that use them are in stepper.hpp.
//
// With k_i = f(y0 + h sum_j a[i][j] k_j), i counted from 0, each method has
//   y1        = y0 + h sum_i b[i] k_i                                 of order `order`,
//   y(theta)  = y0 + h sum_i (sum_q dense[i][q] theta^(q+1)) k_i       of order `dense_order`,
// 0 <= theta <= 1, C^1 across steps. The last of the `stages` stages is the derivative at the new
// point, so row stages-1 of `a` equals `b`, and the stage serves as the first one of the next step.
// The stages from `stages` to `dense_stages` - 1 are needed for y(theta) alone.
//
// e = b - bhat for the embedded weights bhat. `error_order` p means that the error estimate behaves
// as h^(p+1) in one step, so the controller raises its ratio to the power 1/(p+1). It is the order
// of bhat, except for DormandPrince853, whose two estimates err5 = h |sum e_i k_i| and
// err3 = h |sum e3_i k_i| combine to err5^2 / sqrt(err5^2 + err3^2 / 100) ~ h^8 (HNW II.10).
//
// `share` of the estimate counts in the error control. An estimate is the error of the embedded
// method, far above that of the solution that is carried on: with these shares, the largest errors
// of hitting times and of overlaps at equal phase are near the tolerance asked (docs/solver).
//
// HNW: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 2nd ed.,
// Springer, 1993. tests/python/test_tableau.py checks the order conditions of all that is here.
namespace hermiteflow {

// The classical method of W. Kutta (1901), HNW II.1. Fixed step size, no estimate: e is zero. Its
// dense output is the cubic Hermite interpolant of y0, y1, k_0 and k_4 (HNW II.6) in the k_i.
struct RK4 {
  static constexpr const char* name = "rk4";
  static constexpr int order = 4;
  static constexpr int error_order = 0;
  static constexpr int stages = 5;
  static constexpr int dense_stages = 5;
  static constexpr int dense_degree = 3;
  static constexpr int dense_order = 3;
  static constexpr bool adaptive = false;
  static constexpr bool has_second_error = false;

  static constexpr double c[dense_stages] = {0, 1.0 / 2.0, 1.0 / 2.0, 1.0, 1.0};
  static constexpr double a[dense_stages][dense_stages] = {
      {0}, {1.0 / 2.0}, {0, 1.0 / 2.0}, {0, 0, 1.0}, {1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0},
  };
  static constexpr double b[dense_stages] = {1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0};
  static constexpr double e[stages] = {};
  static constexpr double e3[stages] = {};
  static constexpr double dense[dense_stages][dense_degree] = {
      {1.0, -3.0 / 2.0, 2.0 / 3.0}, {0, 1.0, -2.0 / 3.0}, {0, 1.0, -2.0 / 3.0},
      {0, 1.0 / 2.0, -1.0 / 3.0},   {0, -1.0, 1.0},
  };
};

// J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6
// (1980) 19-26; HNW Table II.5.2. The dense output of order 4 is that of HNW II.6 and of Hairer and
// Wanner's code DOPRI5, expanded in powers of theta in rational arithmetic.
struct DormandPrince5 {
  static constexpr const char* name = "dopri5";
  static constexpr int order = 5;
  static constexpr int error_order = 4;
  static constexpr int stages = 7;
  static constexpr int dense_stages = 7;
  static constexpr int dense_degree = 4;
  static constexpr int dense_order = 4;
  static constexpr bool adaptive = true;
  static constexpr double share = 0.5;
  static constexpr bool has_second_error = false;

  static constexpr double c[dense_stages] = {0,         1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0,
                                             8.0 / 9.0, 1.0,       1.0};
  static constexpr double a[dense_stages][dense_stages] = {
      {0},
      {1.0 / 5.0},
      {3.0 / 40.0, 9.0 / 40.0},
      {44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0},
      {19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0},
      {9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0},
      {35.0 / 384.0, 0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0},
  };
  static constexpr double b[dense_stages] = {
      35.0 / 384.0, 0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0};
  static constexpr double e[stages] = {
      71.0 / 57600.0, 0,          -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0,
      22.0 / 525.0,   -1.0 / 40.0};
  static constexpr double e3[stages] = {};
  static constexpr double dense[dense_stages][dense_degree] = {
      {1.0, -8048581381.0 / 2820520608.0, 8663915743.0 / 2820520608.0,
       -12715105075.0 / 11282082432.0},
      {0},
      {0, 131558114200.0 / 32700410799.0, -68118460800.0 / 10900136933.0,
       87487479700.0 / 32700410799.0},
      {0, -1754552775.0 / 470086768.0, 14199869525.0 / 1410260304.0, -10690763975.0 / 1880347072.0},
      {0, 127303824393.0 / 49829197408.0, -318862633887.0 / 49829197408.0,
       701980252875.0 / 199316789632.0},
      {0, -282668133.0 / 205662961.0, 2019193451.0 / 616988883.0, -1453857185.0 / 822651844.0},
      {0, 40617522.0 / 29380423.0, -110615467.0 / 29380423.0, 69997945.0 / 29380423.0},
  };
};

// Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying
// assumption, Comput. Math. Appl. 62 (2011) 770-775. Its dense output needs no extra stage. The
// paper's 16 digits continued by solving the order conditions with c_1, c_2, c_3 and the weights of
// stages 1 and 6 of the interpolant held at their short decimals.
struct Tsitouras5 {
  static constexpr const char* name = "tsit5";
  static constexpr int order = 5;
  static constexpr int error_order = 4;
  static constexpr int stages = 7;
  static constexpr int dense_stages = 7;
  static constexpr int dense_degree = 4;
  static constexpr int dense_order = 4;
  static constexpr bool adaptive = true;
  static constexpr double share = 0.1;
  static constexpr bool has_second_error = false;

  static constexpr double c[dense_stages] = {0,   0.161, 0.327, 0.9, 0.98002554090450968573,
                                             1.0, 1.0};
  static constexpr double a[dense_stages][dense_stages] = {
      {0},
      {0.161},
      {-0.0084806554923569885444, 0.33548065549235698854},
      {2.8971530571054934321, -6.3594484899750748431, 4.362295432869581411},
      {5.3258648284392566044, -11.748883564062827878, 7.4955393428898362083,
       -0.092495066361755249257},
      {5.8614554429464200287, -12.920969317847109292, 8.1593678985761586432,
       -0.071584973281400997225, -0.028269050394068382909},
      {0.096460766818065229518, 0.01, 0.47988965041449957478, 1.3790085741037418932,
       -3.2900695154360806799, 2.3247105240997739824},
  };
  static constexpr double b[dense_stages] = {0.096460766818065229518, 0.01,
                                             0.47988965041449957478,  1.3790085741037418932,
                                             -3.2900695154360806799,  2.3247105240997739824};
  static constexpr double e[stages] = {0.0017800110522257714434,
                                       8.1643445965674690322e-4,
                                       -0.0078808780102619960103,
                                       0.14471100717326290754,
                                       -0.58235716545255522502,
                                       0.45808210592918694666,
                                       -1.0 / 66.0};
  static constexpr double e3[stages] = {};
  static constexpr double dense[dense_stages][dense_degree] = {
      {1.0, -2.7637061972748258687, 2.9132554618219126554, -1.0530884977290215572},
      {0, 0.1317, -0.2234, 0.1017},
      {0, 3.9302962368947515174, -5.9410338721315047357, 2.4906272856512527931},
      {0, -12.411077166933677039, 30.33818863028232165, -16.548102889244902718},
      {0, 37.509313416511039179, -88.178904894766401078, 47.379521962819281219},
      {0, -27.896526289197287789, 65.091894674793671508, -34.870657861496609736},
      {0, 1.5, -4.0, 2.5},
  };
};

// P. J. Prince, J. R. Dormand, High order embedded Runge-Kutta formulae, J. Comput. Appl. Math. 7
// (1981) 67-75, in the version of HNW II.5 (12 stages, order 8), with the estimators of orders 5
// and 3 (II.10) and the dense output of order 7 (II.6, three more stages): the published numbers of
// Hairer and Wanner's code DOP853 to 20 digits. The nested form of its dense output,
// theta (d1 + (1 - theta) (d2 + theta (d3 + ...))), is expanded in powers of theta in rational
// arithmetic; the coefficients reach 545 and cancel, which costs two to three digits of h k_i.
struct DormandPrince853 {
  static constexpr const char* name = "dop853";
  static constexpr int order = 8;
  static constexpr int error_order = 7;
  static constexpr int stages = 13;
  static constexpr int dense_stages = 16;
  static constexpr int dense_degree = 7;
  static constexpr int dense_order = 7;
  static constexpr bool adaptive = true;
  static constexpr double share = 0.1;
  static constexpr bool has_second_error = true;

  static constexpr double c[dense_stages] = {0,
                                             0.052600151958767731879,
                                             0.078900227938151597818,
                                             0.11835034190722739673,
                                             0.28164965809277260327,
                                             1.0 / 3.0,
                                             0.25,
                                             4.0 / 13.0,
                                             0.65128205128205128205,
                                             0.6,
                                             6.0 / 7.0,
                                             1.0,
                                             1.0,
                                             0.1,
                                             0.2,
                                             7.0 / 9.0};
  static constexpr double a[dense_stages][dense_stages] = {
      {0},
      {0.052600151958767731879},
      {0.019725056984537899454, 0.059175170953613698363},
      {0.029587585476806849182, 0, 0.088762756430420547545},
      {0.2413651341592666855, 0, -0.88454947932828608534, 0.92483400326179200312},
      {0.037037037037037037037, 0, 0, 0.17082860872947387128, 0.12546768756682242502},
      {0.037109375, 0, 0, 0.17025221101954403931, 0.060216538980455960685, -0.017578125},
      {0.037092000118504792711, 0, 0, 0.17038392571223999381, 0.10726203044637328465,
       -0.015319437748624401753, 0.0082737891638140228876},
      {0.62411095871607571711, 0, 0, -3.3608926294469412941, -0.86821934684172600682,
       27.592099699446708305, 20.154067550477893409, -43.489884181069958848},
      {0.47766253643826436589, 0, 0, -2.4881146199716676419, -0.59029082683684299637,
       21.230051448181194235, 15.279233632882423583, -33.288210968984862919,
       -0.020331201708508626136},
      {-0.93714243008598732572, 0, 0, 5.1863724288440637083, 1.0914373489967295782,
       -8.1497870107469261251, -18.520065659996959864, 22.739487099350504282, 2.4936055526796523899,
       -3.0467644718982195004},
      {2.2733101475165382079, 0, 0, -10.534495466737250198, -2.0008720582248624991,
       -17.958931863118798917, 27.948884529419960051, -2.8589982771350236947,
       -8.8728569335306295443, 12.360567175794303065, 0.64339274601576353036},
      {0.054293734116568762238, 0, 0, 0, 0, 4.4503128927524088814, 1.891517899314500383,
       -5.8012039600105847815, 0.31116436695781989441, -0.15216094966251607856,
       0.20136540080403034837, 0.044710615727772590518},
      {0.056167502283047952339, 0, 0, 0, 0, 0, 0.25350021021662481109, -0.24623903747080248992,
       -0.12419142326381636047, 0.15329179827876569731, 0.0082010522956346898849,
       0.0075678976605456997614, -0.008298},
      {0.031834648163502140506, 0, 0, 0, 0, 0.028300909672366775529, 0.053541988307438567622,
       -0.054923748571390988465, 0, 0, -1.0834732869724932286e-4, 3.8257109083565841295e-4,
       -3.404650086874045608e-4, 0.14131244367463250028},
      {-0.42889630158379192341, 0, 0, 0, 0, -4.6976214153611638431, 7.6834211960625990418,
       4.0689898183971100797, 0.35672718745528110927, 0, 0, 0, -0.0013990241651590146213,
       2.947514789152772339, -9.1509584721798700108},
  };
  static constexpr double b[dense_stages] = {0.054293734116568762238,
                                             0,
                                             0,
                                             0,
                                             0,
                                             4.4503128927524088814,
                                             1.891517899314500383,
                                             -5.8012039600105847815,
                                             0.31116436695781989441,
                                             -0.15216094966251607856,
                                             0.20136540080403034837,
                                             0.044710615727772590518};
  static constexpr double e[stages] = {0.013120044994194880733,
                                       0,
                                       0,
                                       0,
                                       0,
                                       -1.2251564463762044407,
                                       -0.49575894965725019152,
                                       1.664377182454986537,
                                       -0.35032884874997368169,
                                       0.33417911871301747903,
                                       0.081923206485115712466,
                                       -0.022355307863886295259};
  static constexpr double e3[stages] = {-0.18980075407240761571,
                                        0,
                                        0,
                                        0,
                                        0,
                                        4.4503128927524088814,
                                        1.891517899314500383,
                                        -5.8012039600105847815,
                                        -0.42268232132379196293,
                                        -0.15216094966251607856,
                                        0.20136540080403034837,
                                        0.022651792198360825812};
  static constexpr double dense[dense_stages][dense_degree] = {
      {1.0, -10.266057073759306578, 48.16185096856645663, -114.93304874997833254,
       147.46446875669768308, -97.066853630113680831, 25.693933462703749003},
      {0},
      {0},
      {0},
      {0},
      {0, 13.917653631776604414, -154.78787266663715597, 522.92190896082187491,
       -456.25918840208781255, -75.531937321357535671, 154.18974869023643374},
      {0, 2.6056037519936094578, -21.622822384626504227, 2.5351820289667551482,
       292.25417465990406253, -505.4099993329689182, 231.52937917604549568},
      {0, -15.018944223519684516, 160.09447708973047612, -474.30718260376434781,
       135.96036916173837287, 545.10919452641872234, -357.63911791061412378},
      {0, 3.0505276833184879599, -38.543967291890632505, 174.47140009219884073,
       -337.05134702387712643, 291.78987509083256014, -93.405324183624310004},
      {0, -1.3278744327655212277, 16.661770430049541997, -74.440278141263033878,
       140.75210016191606336, -119.25620210405119949, 37.458323136451633157},
      {0, 2.844533632672879321, -36.558295489910119271, 170.69007169147513661,
       -345.97484854804955106, 313.29955362357798519, -104.09964950896230045},
      {0, 0.76571062595278658971, -9.9069955356193663694, 46.802991918874394725,
       -96.51986946699570428, 88.743166500176165049, -29.840293426660503123},
      {0, -1.0889903364513333108, 14.097013042320002101, -66.682305912943639618,
       137.96299063474374993, -127.82216401767992286, 43.533456590011143754},
      {0, 18.148505520854727257, -127.63310949253875295, 357.34195161296572783,
       -500.7031507909223888, 349.1703571088289696, -96.324553959188282948},
      {0, -9.1946323924783554, 93.356745932789393432, -282.62726187043632085, 361.14007718803332216,
       -201.85219053352347851, 39.177261675615439165},
      {0, -4.4360363875948939664, 56.681205397766661013, -261.77342902691705527,
       520.97422366889932918, -461.17279991013966677, 149.72683625798562581},
  };
};

}  // namespace hermiteflow
